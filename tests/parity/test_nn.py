"""Every layer against PyTorch: same repr, same keys, same initial numbers, same outputs and gradients."""

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

# (constructor, argument shapes); an int in a shape place means integer data below it: ("int", high, shape)
LAYERS = {
    "Identity": ("nn.Identity(5, unused=3)", [(2, 3)]),
    "Linear": ("nn.Linear(5, 7)", [(3, 5)]),
    "Linear without bias": ("nn.Linear(5, 7, bias=False)", [(2, 3, 5)]),
    "Bilinear": ("nn.Bilinear(4, 5, 6)", [(3, 4), (3, 5)]),
    "Flatten": ("nn.Flatten()", [(2, 3, 4)]),
    "Unflatten": ("nn.Unflatten(1, (2, 3))", [(4, 6)]),
    "Conv1d": ("nn.Conv1d(4, 6, 3, stride=2, padding=1)", [(2, 4, 9)]),
    "Conv2d": ("nn.Conv2d(3, 6, (3, 2), padding=(1, 0))", [(2, 3, 7, 8)]),
    "Conv2d groups": ("nn.Conv2d(4, 8, 3, groups=2, dilation=2, bias=False)", [(2, 4, 8, 8)]),
    "Conv2d same": ("nn.Conv2d(3, 5, 4, padding='same')", [(2, 3, 7, 6)]),
    "Conv2d reflect": ("nn.Conv2d(3, 5, 3, padding=1, padding_mode='reflect')", [(2, 3, 7, 6)]),
    "Conv2d circular": ("nn.Conv2d(3, 5, 3, padding=1, padding_mode='circular')", [(2, 3, 7, 6)]),
    "Conv3d": ("nn.Conv3d(2, 3, 2)", [(2, 2, 4, 5, 4)]),
    "ConvTranspose1d": ("nn.ConvTranspose1d(4, 3, 3, stride=2)", [(2, 4, 5)]),
    "ConvTranspose2d": (
        "nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)",
        [(2, 4, 5, 6)],
    ),
    "ConvTranspose2d groups": ("nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2)", [(2, 4, 5, 6)]),
    "MaxPool1d": ("nn.MaxPool1d(2)", [(2, 3, 8)]),
    "MaxPool2d": ("nn.MaxPool2d(3, stride=2, padding=1)", [(2, 3, 8, 7)]),
    "MaxPool2d ceil": ("nn.MaxPool2d(2, ceil_mode=True)", [(2, 3, 7, 7)]),
    "AvgPool1d": ("nn.AvgPool1d(3, stride=1)", [(2, 3, 8)]),
    "AvgPool2d": ("nn.AvgPool2d(3, padding=1, count_include_pad=False)", [(2, 3, 8, 8)]),
    "AdaptiveAvgPool1d": ("nn.AdaptiveAvgPool1d(3)", [(2, 3, 7)]),
    "AdaptiveAvgPool2d": ("nn.AdaptiveAvgPool2d((2, 3))", [(2, 3, 7, 8)]),
    "AdaptiveAvgPool2d None": ("nn.AdaptiveAvgPool2d((None, 1))", [(2, 3, 7, 8)]),
    "AdaptiveMaxPool2d": ("nn.AdaptiveMaxPool2d(2)", [(2, 3, 7, 8)]),
    "LPPool2d": ("nn.LPPool2d(2, 3)", [(2, 3, 9, 9)]),
    "BatchNorm1d": ("nn.BatchNorm1d(4)", [(6, 4)]),
    "BatchNorm1d sequence": ("nn.BatchNorm1d(4, momentum=0.3)", [(6, 4, 3)]),
    "BatchNorm2d": ("nn.BatchNorm2d(3)", [(4, 3, 5, 5)]),
    "BatchNorm2d plain": (
        "nn.BatchNorm2d(3, affine=False, track_running_stats=False)",
        [(4, 3, 5, 5)],
    ),
    "BatchNorm2d average": ("nn.BatchNorm2d(3, momentum=None)", [(4, 3, 5, 5)]),
    "BatchNorm3d": ("nn.BatchNorm3d(3)", [(4, 3, 2, 3, 3)]),
    "InstanceNorm1d": ("nn.InstanceNorm1d(3)", [(2, 3, 6)]),
    "InstanceNorm2d": (
        "nn.InstanceNorm2d(3, affine=True, track_running_stats=True)",
        [(2, 3, 6, 5)],
    ),
    "LayerNorm": ("nn.LayerNorm(6)", [(4, 6)]),
    "LayerNorm 2d": ("nn.LayerNorm((3, 4), bias=False)", [(2, 3, 4)]),
    "RMSNorm": ("nn.RMSNorm(6)", [(4, 6)]),
    "GroupNorm": ("nn.GroupNorm(2, 6)", [(3, 6, 4, 4)]),
    "LocalResponseNorm": ("nn.LocalResponseNorm(3)", [(2, 5, 4, 4)]),
    "Embedding": ("nn.Embedding(10, 4)", [("int", 10, (3, 5))]),
    "Embedding padding": ("nn.Embedding(10, 4, padding_idx=2)", [("int", 10, (3, 5))]),
    "EmbeddingBag": ("nn.EmbeddingBag(10, 4, mode='sum')", [("int", 10, (3, 5))]),
    "Threshold": ("nn.Threshold(0.1, 20)", [(4, 5)]),
    "ReLU": ("nn.ReLU()", [(4, 5)]),
    "ReLU6": ("nn.ReLU6()", [(4, 5)]),
    "Hardtanh": ("nn.Hardtanh(-0.5, 0.7)", [(4, 5)]),
    "Sigmoid": ("nn.Sigmoid()", [(4, 5)]),
    "Hardsigmoid": ("nn.Hardsigmoid()", [(4, 5)]),
    "Tanh": ("nn.Tanh()", [(4, 5)]),
    "SiLU": ("nn.SiLU()", [(4, 5)]),
    "Mish": ("nn.Mish()", [(4, 5)]),
    "Hardswish": ("nn.Hardswish()", [(4, 5)]),
    "ELU": ("nn.ELU(0.7)", [(4, 5)]),
    "CELU": ("nn.CELU(0.7)", [(4, 5)]),
    "SELU": ("nn.SELU()", [(4, 5)]),
    "GLU": ("nn.GLU()", [(4, 6)]),
    "GELU": ("nn.GELU()", [(4, 5)]),
    "GELU tanh": ("nn.GELU('tanh')", [(4, 5)]),
    "Hardshrink": ("nn.Hardshrink()", [(4, 5)]),
    "Softshrink": ("nn.Softshrink(0.3)", [(4, 5)]),
    "LeakyReLU": ("nn.LeakyReLU(0.2, inplace=False)", [(4, 5)]),
    "LogSigmoid": ("nn.LogSigmoid()", [(4, 5)]),
    "Softplus": ("nn.Softplus(2.0)", [(4, 5)]),
    "Softsign": ("nn.Softsign()", [(4, 5)]),
    "Tanhshrink": ("nn.Tanhshrink()", [(4, 5)]),
    "PReLU": ("nn.PReLU(3)", [(4, 3, 5)]),
    "Softmax": ("nn.Softmax(dim=1)", [(4, 5)]),
    "Softmin": ("nn.Softmin(dim=1)", [(4, 5)]),
    "LogSoftmax": ("nn.LogSoftmax(dim=-1)", [(4, 5)]),
    "Softmax2d": ("nn.Softmax2d()", [(2, 3, 4, 5)]),
    "ZeroPad2d": ("nn.ZeroPad2d((1, 2, 0, 1))", [(2, 3, 4, 5)]),
    "ConstantPad1d": ("nn.ConstantPad1d(2, 1.5)", [(2, 3, 4)]),
    "ReflectionPad2d": ("nn.ReflectionPad2d(2)", [(2, 3, 4, 5)]),
    "ReplicationPad2d": ("nn.ReplicationPad2d((1, 2, 3, 0))", [(2, 3, 4, 5)]),
    "CircularPad2d": ("nn.CircularPad2d(1)", [(2, 3, 4, 5)]),
    "PixelShuffle": ("nn.PixelShuffle(2)", [(2, 8, 3, 4)]),
    "PixelUnshuffle": ("nn.PixelUnshuffle(2)", [(2, 2, 6, 4)]),
    "ChannelShuffle": ("nn.ChannelShuffle(2)", [(2, 4, 3, 3)]),
    "Upsample nearest": ("nn.Upsample(scale_factor=2)", [(2, 3, 4, 5)]),
    "Upsample bilinear": ("nn.Upsample(size=(7, 9), mode='bilinear')", [(2, 3, 4, 5)]),
    "UpsamplingBilinear2d": ("nn.UpsamplingBilinear2d(scale_factor=2)", [(2, 3, 4, 5)]),
    "Unfold": ("nn.Unfold((2, 3), padding=1)", [(2, 3, 5, 6)]),
    "Fold": ("nn.Fold((4, 5), (2, 2))", [(2, 12, 12)]),
    "CosineSimilarity": ("nn.CosineSimilarity(dim=1)", [(4, 5), (4, 5)]),
    "PairwiseDistance": ("nn.PairwiseDistance()", [(4, 5), (4, 5)]),
    "Dropout": ("nn.Dropout(0.3)", [(40, 5)]),
    "Dropout1d": ("nn.Dropout1d(0.3)", [(6, 5, 3)]),
    "Dropout2d": ("nn.Dropout2d(0.3)", [(6, 5, 3, 3)]),
    "AlphaDropout": ("nn.AlphaDropout(0.3)", [(40, 5)]),
    "Sequential": (
        "nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 2))",
        [(3, 4)],
    ),
    "LazyLinear": ("nn.LazyLinear(4)", [(3, 5)]),
    "LazyConv2d": ("nn.LazyConv2d(4, 3, padding=1, groups=2, bias=False)", [(2, 6, 5, 5)]),
    "LazyConvTranspose2d": ("nn.LazyConvTranspose2d(4, 3, stride=2)", [(2, 3, 5, 5)]),
    "LazyBatchNorm2d": ("nn.LazyBatchNorm2d()", [(4, 3, 5, 5)]),
    "Lazy Sequential": (
        "nn.Sequential(nn.LazyConv1d(4, 3), nn.LazyBatchNorm1d(), nn.Flatten(), nn.LazyLinear(2))",
        [(4, 3, 6)],
    ),
    "RNN": ("nn.RNN(4, 5, num_layers=2)", [(6, 3, 4)]),
    "RNN relu": ("nn.RNN(4, 5, nonlinearity='relu', batch_first=True, bias=False)", [(6, 3, 4)]),
    "LSTM": ("nn.LSTM(4, 5, num_layers=2, batch_first=True)", [(3, 6, 4)]),
    "LSTM bidirectional": ("nn.LSTM(4, 5, num_layers=2, bidirectional=True)", [(6, 3, 4)]),
    "LSTM projection": ("nn.LSTM(4, 5, proj_size=3)", [(6, 3, 4)]),
    "LSTM without batch": ("nn.LSTM(4, 5)", [(6, 4)]),
    "GRU": ("nn.GRU(4, 5, num_layers=2)", [(6, 3, 4)]),
    "GRU bidirectional": ("nn.GRU(4, 5, bidirectional=True, batch_first=True)", [(3, 6, 4)]),
    "RNNCell": ("nn.RNNCell(4, 5, nonlinearity='relu')", [(3, 4)]),
    "LSTMCell": ("nn.LSTMCell(4, 5)", [(3, 4)]),
    "GRUCell": ("nn.GRUCell(4, 5)", [(3, 4), (3, 5)]),
    "MultiheadAttention": ("nn.MultiheadAttention(8, 2)", [(5, 3, 8), (6, 3, 8), (6, 3, 8)]),
    "MultiheadAttention kdim": (
        "nn.MultiheadAttention(8, 2, kdim=4, vdim=6, batch_first=True, add_bias_kv=True, add_zero_attn=True)",
        [(3, 5, 8), (3, 6, 4), (3, 6, 6)],
    ),
    "MultiheadAttention single": (
        "nn.MultiheadAttention(8, 2, bias=False)",
        [(5, 8), (6, 8), (6, 8)],
    ),
    "TransformerEncoderLayer": ("nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)", [(5, 3, 8)]),
    "TransformerEncoderLayer first": (
        "nn.TransformerEncoderLayer(8, 2, 16, 0.0, 'gelu', batch_first=True, norm_first=True)",
        [(3, 5, 8)],
    ),
    "TransformerEncoder": (
        "nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0), 2, nn.LayerNorm(8))",
        [(5, 3, 8)],
    ),
    "TransformerDecoderLayer": (
        "nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0)",
        [(5, 3, 8), (6, 3, 8)],
    ),
    "Transformer": ("nn.Transformer(8, 2, 1, 1, 16, dropout=0.0)", [(6, 3, 8), (5, 3, 8)]),
}

LOSSES = {
    "L1Loss": ("nn.L1Loss()", [(4, 5), (4, 5)]),
    "MSELoss": ("nn.MSELoss()", [(4, 5), (4, 5)]),
    "MSELoss sum": ("nn.MSELoss(reduction='sum')", [(4, 5), (4, 5)]),
    "MSELoss none": ("nn.MSELoss(reduction='none')", [(4, 5), (4, 5)]),
    "SmoothL1Loss": ("nn.SmoothL1Loss(beta=0.5)", [(4, 5), (4, 5)]),
    "HuberLoss": ("nn.HuberLoss(delta=0.5)", [(4, 5), (4, 5)]),
    "NLLLoss": ("nn.NLLLoss()", [(4, 5), ("int", 5, (4,))]),
    "NLLLoss 2d": ("nn.NLLLoss()", [(4, 5, 3, 3), ("int", 5, (4, 3, 3))]),
    "CrossEntropyLoss": ("nn.CrossEntropyLoss()", [(4, 5), ("int", 5, (4,))]),
    "CrossEntropyLoss smooth": (
        "nn.CrossEntropyLoss(label_smoothing=0.1)",
        [(4, 5), ("int", 5, (4,))],
    ),
    "CrossEntropyLoss ignore": ("nn.CrossEntropyLoss(ignore_index=2)", [(8, 5), ("int", 5, (8,))]),
    "CrossEntropyLoss weights": (
        "nn.CrossEntropyLoss(weight=lib.tensor([1.0, 2.0, 0.5, 1.0, 3.0]))",
        [(8, 5), ("int", 5, (8,))],
    ),
    "CrossEntropyLoss probabilities": ("nn.CrossEntropyLoss()", [(4, 5), ("positive", (4, 5))]),
    "BCELoss": ("nn.BCELoss()", [("positive", (4, 5)), ("positive", (4, 5))]),
    "BCEWithLogitsLoss": ("nn.BCEWithLogitsLoss()", [(4, 5), ("positive", (4, 5))]),
    "BCEWithLogitsLoss weights": (
        "nn.BCEWithLogitsLoss(pos_weight=lib.tensor([1.0, 2.0, 0.5, 1.0, 3.0]))",
        [(4, 5), ("positive", (4, 5))],
    ),
    "KLDivLoss": ("nn.KLDivLoss(reduction='batchmean')", [(4, 5), ("positive", (4, 5))]),
    "PoissonNLLLoss": ("nn.PoissonNLLLoss()", [(4, 5), ("positive", (4, 5))]),
    "GaussianNLLLoss": ("nn.GaussianNLLLoss()", [(4, 5), (4, 5), ("positive", (4, 5))]),
    "SoftMarginLoss": ("nn.SoftMarginLoss()", [(4, 5), ("sign", (4, 5))]),
    "MultiLabelSoftMarginLoss": ("nn.MultiLabelSoftMarginLoss()", [(4, 5), ("positive", (4, 5))]),
    "HingeEmbeddingLoss": ("nn.HingeEmbeddingLoss()", [(4, 5), ("sign", (4, 5))]),
    "CosineEmbeddingLoss": ("nn.CosineEmbeddingLoss(0.1)", [(4, 5), (4, 5), ("sign", (4,))]),
    "MarginRankingLoss": ("nn.MarginRankingLoss(0.1)", [(4,), (4,), ("sign", (4,))]),
    "MultiMarginLoss": ("nn.MultiMarginLoss()", [(4, 5), ("int", 5, (4,))]),
    "TripletMarginLoss": ("nn.TripletMarginLoss()", [(4, 5), (4, 5), (4, 5)]),
}


def sample(description):
    """The same data for both, as NumPy."""
    if description[0] == "int":
        return np.random.randint(0, description[1], description[2])
    if description[0] == "positive":
        return (np.random.rand(*description[1]) * 0.9 + 0.05).astype(np.float32)
    if description[0] == "sign":
        return np.where(np.random.rand(*description[1]) < 0.5, -1, 1).astype(np.float32)
    return np.random.randn(*description).astype(np.float32)


def make(lib, text):
    lib.manual_seed(1)
    return eval(text, {"nn": lib.nn, "lib": lib})


def flat(result):
    """All tensors in a nested result."""
    if isinstance(result, tuple | list):
        return [tensor for part in result for tensor in flat(part)]
    return [] if result is None else [result]


def run(lib, text, arrays, shapes):
    """Repr, keys, parameters, outputs, gradients and buffers of one layer."""
    layer = make(lib, text)
    if "Lazy" in text:
        assert len(list(layer.parameters())) > 0
        lib.manual_seed(3)
        layer(*(lib.from_numpy(a.copy()) for a in arrays))
    before = {name: np.array(p.detach().numpy()) for name, p in layer.state_dict().items()}
    inputs = [lib.from_numpy(a.copy()) for a in arrays]
    for x, shape in zip(inputs, shapes, strict=True):
        x.requires_grad_(not isinstance(shape[0], str))  # targets get no gradient
    lib.manual_seed(2)
    outputs = flat(layer(*inputs))
    total = sum(
        (y * lib.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos()).sum() for y in outputs
    )
    if total.requires_grad:
        total.backward()
    gradients = [x.grad for x in inputs] + [p.grad for p in layer.parameters()]
    layer.eval()
    with lib.no_grad():
        evaluated = flat(layer(*inputs))
    return {
        "repr": repr(layer),
        "keys": list(layer.state_dict()),
        "before": before,
        "outputs": [y.detach().numpy() for y in outputs],
        "gradients": [None if g is None else g.numpy() for g in gradients],
        "after": {name: np.array(p.detach().numpy()) for name, p in layer.state_dict().items()},
        "evaluated": [y.detach().numpy() for y in evaluated],
    }


def close(actual, expected, tolerance=2e-5):
    assert (actual is None) == (expected is None)
    if expected is not None:
        assert actual.shape == expected.shape and actual.dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", [*LAYERS, *LOSSES])
def test_layer_agrees_with_torch(name):
    text, shapes = (LAYERS | LOSSES)[name]
    np.random.seed(0)
    arrays = [sample(shape) for shape in shapes]
    expected, actual = run(torch, text, arrays, shapes), run(graphtorch, text, arrays, shapes)
    assert actual["repr"] == expected["repr"]
    assert actual["keys"] == expected["keys"]
    for key, value in expected["before"].items():
        if "running" in key:  # after a lazy module's first call
            close(actual["before"][key], value)
        else:
            np.testing.assert_array_equal(actual["before"][key], value, err_msg=key)
    for part in ("outputs", "gradients", "evaluated"):
        assert len(actual[part]) == len(expected[part])
        for a, e in zip(actual[part], expected[part], strict=True):
            close(a, e)
    for key, value in expected["after"].items():
        close(actual["after"][key], value)


INITS = [
    "uniform_(t, -1, 2)", "normal_(t, 1, 2)", "constant_(t, 3)", "ones_(t)", "zeros_(t)", "eye_(t)", "trunc_normal_(t)",
    "trunc_normal_(t, 0.1, 0.02, -0.03, 0.2)", "trunc_normal_(t, 0, 1, 2.5, 4)", "xavier_uniform_(t, 2)",
    "xavier_normal_(t)", "kaiming_uniform_(t, nonlinearity='relu')", "kaiming_normal_(t, mode='fan_out')",
    "orthogonal_(t)", "orthogonal_(t, gain=2)", "sparse_(t, 0.3)",
]  # fmt: skip


@pytest.mark.parametrize("shape", [(6, 4), (4, 9), (20, 20)])
@pytest.mark.parametrize("call", INITS)
def test_init_gives_torchs_numbers(call, shape):
    results = []
    for lib in (torch, graphtorch):
        lib.manual_seed(7)
        tensor = lib.empty(shape)
        with pytest.warns(match="") if "2.5, 4" in call else nothing():
            assert eval(f"nn.init.{call}", {"nn": lib.nn, "t": tensor}) is tensor
        results.append(tensor.numpy())
    tolerance = 2e-5 if "orthogonal" in call else 1e-6
    np.testing.assert_allclose(results[1], results[0], rtol=tolerance, atol=tolerance * 0.1)


def nothing():
    import contextlib

    return contextlib.nullcontext()


def test_dirac_and_gains():
    for shape, groups in (((4, 2, 3), 1), ((4, 2, 3, 3), 2), ((4, 4, 3, 3, 3), 1)):
        a, b = torch.empty(shape), graphtorch.empty(shape)
        torch.nn.init.dirac_(a, groups)
        graphtorch.nn.init.dirac_(b, groups)
        np.testing.assert_array_equal(b.numpy(), a.numpy())
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert graphtorch.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert graphtorch.nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.3
    )


@pytest.mark.parametrize("options", [{}, {"need_weights": False}, {"average_attn_weights": False}])
def test_multi_head_attention_as_a_function(options):
    def run(lib):
        lib.manual_seed(0)
        m = lib.nn.MultiheadAttention(8, 2, add_bias_kv=True)
        x = lib.randn(5, 3, 8)
        mask = lib.triu(lib.ones(5, 5), 1).bool()
        y, w = lib.nn.functional.multi_head_attention_forward(
            x, x, x, 8, 2, m.in_proj_weight, m.in_proj_bias, m.bias_k, m.bias_v, False, 0.0,
            m.out_proj.weight, m.out_proj.bias, attn_mask=mask, **options,
        )  # fmt: skip
        return y.detach().numpy(), None if w is None else w.detach().numpy()

    for a, e in zip(run(graphtorch), run(torch), strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
