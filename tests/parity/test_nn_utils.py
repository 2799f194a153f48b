"""Weight and spectral normalisation, parametrisations, packing, LBFGS, averaged models against PyTorch."""

import warnings

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # not imported by torch itself

LIBRARIES = (torch, graphtorch)
DATA = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)


def outcome(lib, make, data, steps=3):
    """Keys, outputs and gradients of a module over some training steps."""
    lib.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make(lib)
    opt = lib.optim.SGD(module.parameters(), lr=0.1)
    seen = [list(module.state_dict())]
    for _ in range(steps):
        opt.zero_grad()
        y = module(lib.from_numpy(data))
        (y * y).sum().backward()
        seen.append([y.detach().numpy(), *(p.grad.numpy() for p in module.parameters())])
        opt.step()
    module.eval()
    seen.append([module(lib.from_numpy(data)).detach().numpy(), module.weight.detach().numpy()])
    return seen


MODULES = {
    "weight_norm": (lambda lib: lib.nn.utils.weight_norm(lib.nn.Linear(4, 3)), DATA),
    "weight_norm dim": (
        lambda lib: lib.nn.utils.weight_norm(lib.nn.Conv2d(3, 4, 3), dim=1),
        IMAGES,
    ),
    "weight_norm none": (lambda lib: lib.nn.utils.weight_norm(lib.nn.Linear(4, 3), dim=None), DATA),
    "spectral_norm": (lambda lib: lib.nn.utils.spectral_norm(lib.nn.Linear(4, 3)), DATA),
    "parametrized weight_norm": (
        lambda lib: lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(4, 3)),
        DATA,
    ),
    "parametrized spectral_norm": (
        lambda lib: lib.nn.utils.parametrizations.spectral_norm(lib.nn.Conv2d(3, 4, 3)),
        IMAGES,
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_normalised_weights(name):
    make, data = MODULES[name]
    expected, actual = outcome(torch, make, data), outcome(graphtorch, make, data)
    assert actual[0] == expected[0]
    for a, e in zip(actual[1:], expected[1:], strict=True):
        for x, y in zip(a, e, strict=True):
            np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5)


def test_removing_normalisation():
    for lib in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = lib.nn.utils.weight_norm(lib.nn.Linear(4, 3))
        before = module.weight.detach().numpy().copy()
        lib.nn.utils.remove_weight_norm(module)
        assert sorted(module.state_dict()) == ["bias", "weight"] and type(module) is lib.nn.Linear
        np.testing.assert_allclose(module.weight.detach().numpy(), before, rtol=1e-6)
        lib.nn.utils.spectral_norm(module)
        module(lib.from_numpy(DATA))
        lib.nn.utils.remove_spectral_norm(module)
        assert sorted(module.state_dict()) == ["bias", "weight"]
        lib.nn.utils.parametrizations.weight_norm(module)
        assert type(module).__name__ == "ParametrizedLinear"
        lib.nn.utils.parametrize.remove_parametrizations(module, "weight")
        assert sorted(module.state_dict()) == ["bias", "weight"] and type(module) is lib.nn.Linear


def test_own_parametrisation():
    for lib in LIBRARIES:

        class Symmetric(lib.nn.Module):
            def forward(self, x):
                return x.triu() + x.triu(1).transpose(-1, -2)

            def right_inverse(self, x):
                return x.triu()

        layer = lib.nn.Linear(3, 3)
        parametrize = lib.nn.utils.parametrize
        parametrize.register_parametrization(layer, "weight", Symmetric())
        assert lib.equal(layer.weight, layer.weight.t()) and parametrize.is_parametrized(
            layer, "weight"
        )
        assert [n for n, _ in layer.named_parameters()] == [
            "bias",
            "parametrizations.weight.original",
        ]
        layer.weight = lib.eye(3)
        assert lib.equal(layer.weight, lib.eye(3))
        layer.weight.sum().backward()
        assert layer.parametrizations.weight.original.grad.tolist() == [
            [1, 2, 2],
            [0, 1, 2],
            [0, 0, 1],
        ]
        with parametrize.cached():
            assert layer.weight is layer.weight


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("enforce_sorted", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_packed_sequences(kind, enforce_sorted, batch_first):
    lengths = [5, 4, 4, 1] if enforce_sorted else [4, 1, 5, 4]
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        net = getattr(lib.nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
        rnn = lib.nn.utils.rnn
        sequences = [lib.arange(n * 3.0).reshape(n, 3).sin() for n in lengths]
        padded = rnn.pad_sequence(sequences, batch_first=batch_first)
        packed = rnn.pack_padded_sequence(padded, lengths, batch_first, enforce_sorted)
        out, state = net(packed)
        unpacked, sizes = rnn.pad_packed_sequence(out, batch_first, padding_value=-1.0)
        unpacked.sum().backward()
        states = state if isinstance(state, tuple) else (state,)
        results.append(
            [
                padded.numpy(),
                packed.data.numpy(),
                packed.batch_sizes.numpy(),
                unpacked.detach().numpy(),
                sizes.numpy(),
            ]
            + [s.detach().numpy() for s in states]
            + [p.grad.numpy() for p in net.parameters()]
        )
    for a, e in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs(search):
    results = []
    for lib in LIBRARIES:
        x = lib.nn.Parameter(lib.tensor([-1.2, 1.0], dtype=lib.float64))
        opt = lib.optim.LBFGS(
            [x], lr=0.1 if search is None else 1, max_iter=10, line_search_fn=search
        )

        def closure(x=x, opt=opt):
            opt.zero_grad()
            loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
            loss.backward()
            return loss

        losses = [opt.step(closure).item() for _ in range(6)]
        results.append((losses, x.detach().tolist(), opt.state[x]["func_evals"]))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-6)
    assert results[1][2] == results[0][2]


def test_averaged_models():
    for averaging in ({}, {"decay": 0.9}):
        results = []
        for lib in LIBRARIES:
            utils = lib.optim.swa_utils
            lib.manual_seed(0)
            model = lib.nn.Sequential(lib.nn.Linear(4, 3), lib.nn.BatchNorm1d(3))
            options = {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.9)} if averaging else {}
            averaged = utils.AveragedModel(model, **options)
            opt = lib.optim.SGD(model.parameters(), lr=0.5)
            schedule = utils.SWALR(opt, swa_lr=0.05, anneal_epochs=3)
            rates = []
            for _ in range(5):
                opt.zero_grad()
                (model(lib.from_numpy(DATA)) - lib.from_numpy(DATA[:, :3])).pow(2).mean().backward()
                opt.step()
                averaged.update_parameters(model)
                schedule.step()
                rates.append(opt.param_groups[0]["lr"])
            utils.update_bn([lib.from_numpy(DATA)], averaged)
            results.append(([p.detach().numpy() for p in averaged.state_dict().values()], rates))
        for a, e in zip(results[1][0], results[0][0], strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-12)


def test_functional_call_and_vectors():
    for lib in LIBRARIES:
        layer = lib.nn.Linear(2, 1)
        given = {"weight": lib.ones(1, 2, requires_grad=True), "bias": lib.zeros(1)}
        y = lib.nn.utils.stateless.functional_call(layer, given, (lib.tensor([[1.0, 2.0]]),))
        assert y.item() == 3.0 and layer.weight is not given["weight"]
        y.sum().backward()
        assert given["weight"].grad.tolist() == [[1.0, 2.0]]
        vector = lib.nn.utils.parameters_to_vector(layer.parameters())
        lib.nn.utils.vector_to_parameters(vector.detach() * 0 + 2, layer.parameters())
        assert layer.weight.tolist() == [[2.0, 2.0]] and layer.bias.tolist() == [2.0]


def test_fusing_batch_norm():
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        conv, norm = lib.nn.Conv2d(3, 4, 3), lib.nn.BatchNorm2d(4)
        norm(conv(lib.from_numpy(IMAGES)))
        fused = lib.nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), norm.eval())
        results.append(fused(lib.from_numpy(IMAGES)).detach().numpy())
        np.testing.assert_allclose(
            results[-1], norm(conv(lib.from_numpy(IMAGES))).detach().numpy(), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)


PRUNING = {
    "l1": lambda p, m: p.l1_unstructured(m, "weight", 0.4),
    "random": lambda p, m: p.random_unstructured(m, "weight", 7),
    "ln": lambda p, m: p.ln_structured(m, "weight", 2, n=2, dim=1),
    "random structured": lambda p, m: p.random_structured(m, "weight", 0.5, dim=0),
    "twice": lambda p, m: p.l1_unstructured(
        p.random_structured(m, "weight", 2, dim=1), "weight", 0.5
    ),
    "structured after": lambda p, m: p.ln_structured(
        p.l1_unstructured(m, "weight", 0.3), "weight", 1, n=1, dim=0
    ),
    "identity": lambda p, m: p.identity(m, "bias"),
}


@pytest.mark.parametrize("name", PRUNING)
def test_pruning(name):
    def run(lib):
        prune = lib.nn.utils.prune
        lib.manual_seed(3)
        module = PRUNING[name](prune, lib.nn.Linear(6, 5))
        x = lib.from_numpy(np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32))
        y = module(x)
        y.sum().backward()
        found = [list(module.state_dict()), [n for n, _ in module.named_parameters()]]
        values = [v.detach().numpy() for v in module.state_dict().values()]
        values += [y.detach().numpy(), *(p.grad.numpy() for p in module.parameters())]
        assert prune.is_pruned(module)
        prune.remove(module, "bias" if name == "identity" else "weight")
        found += [list(module.state_dict()), prune.is_pruned(module)]
        with pytest.raises(ValueError, match="has to be pruned before"):
            prune.remove(module, "weight")
        return found, [*values, module.weight.detach().numpy()]

    (found, values), (expected, numbers) = run(graphtorch), run(torch)
    assert found == expected
    for a, e in zip(values, numbers, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)


def test_global_pruning():
    def run(lib):
        lib.manual_seed(3)
        model = lib.nn.Sequential(lib.nn.Linear(6, 5), lib.nn.Linear(5, 4))
        prune = lib.nn.utils.prune
        pairs = [(model[0], "weight"), (model[1], "weight")]
        prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.3)
        prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=0.5)
        return [m.weight_mask.numpy() for m in model]

    for a, e in zip(run(graphtorch), run(torch), strict=True):
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("map_name", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (6, 4)])
def test_orthogonal(map_name, shape):
    def run(lib):
        lib.manual_seed(5)
        module = lib.nn.Linear(shape[1], shape[0], bias=False)
        lib.nn.utils.parametrizations.orthogonal(module, orthogonal_map=map_name)
        opt = lib.optim.SGD(module.parameters(), lr=0.1)
        seen = [list(module.state_dict())]
        for _ in range(2):
            opt.zero_grad()
            (module.weight * lib.arange(shape[1]).float()).sum().backward()
            opt.step()
            seen.append(module.weight.detach().numpy())
        return seen

    mine, theirs = run(graphtorch), run(torch)
    assert mine[0] == theirs[0]
    for a, e in zip(mine[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-3, atol=1e-4)
