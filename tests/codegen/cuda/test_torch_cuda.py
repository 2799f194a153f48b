"""`torch.cuda`: without a GPU, and user programs on a simulated one."""

from __future__ import annotations

import numpy as np
import pytest

import graphtorch as torch
from graphtorch.codegen.cuda import device as devices
from graphtorch.codegen.cuda import executable
from graphtorch.frontend.eager import Eager
from tests.codegen.cuda.simulated import SimulatedDevice
from tests.codegen.cuda.simulator import needs_compiler

without_gpu = pytest.mark.skipif(devices.device_count() > 0, reason="there is a GPU")


@without_gpu
def test_without_a_gpu():
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    assert torch.cuda.memory_allocated() == torch.cuda.memory_reserved() == 0
    torch.cuda.manual_seed_all(0)
    torch.cuda.empty_cache()
    pytest.importorskip("cupy")
    for attempt in (
        lambda: torch.ones(2).to("cuda"),
        lambda: torch.ones(2).cuda(),
        lambda: torch.zeros(2, device="cuda:0"),
        lambda: torch.nn.Linear(2, 3).to("cuda"),
        torch.cuda.current_device,
        torch.cuda.get_device_name,
        torch.cuda.synchronize,
        torch.cuda.Stream,
    ):
        with pytest.raises(RuntimeError, match="Found no NVIDIA driver"):
            attempt()


@pytest.fixture
def gpu(monkeypatch):
    """A simulated GPU behind `torch.device("cuda")`."""
    found = SimulatedDevice()
    monkeypatch.setattr(devices, "device", lambda number=0: found)
    monkeypatch.setattr(executable, "device", lambda number=0: found)
    monkeypatch.setattr(Eager, "process", Eager.process)  # put back afterwards
    return found


@needs_compiler
def test_tensors_move_and_results_stay_with_their_operands(gpu):
    x = torch.arange(6.0).reshape(2, 3).to("cuda")
    assert x.is_cuda and x.device == torch.device("cuda:0") and x.to("cuda") is x
    y = (x * 2 + 1).sum(dim=0)
    assert y.device == x.device and str(y) == "tensor([ 8., 12., 16.], device='cuda:0')"
    assert y.cpu().device == torch.device("cpu") and y.cpu().tolist() == [8, 12, 16]
    with pytest.raises(TypeError, match="numpy"):
        x.numpy()


@needs_compiler
def test_compiled_functions_run_there(gpu):
    @torch.compile
    def f(x, w):
        return torch.softmax(torch.relu(x @ w), dim=1)

    x, w = torch.randn(9, 12), torch.randn(12, 7)
    expected = f(x, w)
    assert not gpu.launched and f(x, w).device.type == "cpu"
    for _ in range(2):
        found = f(x.to("cuda"), w.to("cuda"))
    assert gpu.launched == ["k_matmul_9x7x12_relu", "k_amax_sum_reciprocal_mul"]
    assert found.device.type == "cuda"
    np.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert f(x, w).device.type == "cpu"


@needs_compiler
def test_training_on_a_gpu_gives_the_losses_of_the_cpu(gpu):
    def train(where):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        model = model.to(where)
        x, y = torch.randn(16, 5).to(where), torch.randn(16, 1).to(where)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)

        @torch.compile
        def step():
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimiser.step()
            return loss

        return [step().item() for _ in range(4)]

    found = train("cuda")
    assert gpu.launched
    np.testing.assert_allclose(found, train("cpu"), rtol=1e-4)


class Everything(torch.nn.Module):
    """A convolution, normalisations, pooling (in NumPy), an embedding and attention."""

    def __init__(self):
        super().__init__()
        self.convolution, self.batch_norm = (
            torch.nn.Conv2d(1, 4, 3, padding=1),
            torch.nn.BatchNorm2d(4),
        )
        self.embedding, self.layer_norm = torch.nn.Embedding(11, 16), torch.nn.LayerNorm(16)
        self.linear = torch.nn.Linear(64, 16)

    def forward(self, x, i):
        x = torch.nn.functional.max_pool2d(torch.relu(self.batch_norm(self.convolution(x))), 2)
        t = self.layer_norm(self.embedding(i))[:, None]
        t = t + torch.nn.functional.scaled_dot_product_attention(t, t, t, is_causal=True)
        logits = self.linear(x.flatten(1)) + t[:, 0].mean(1)
        return torch.nn.functional.cross_entropy(logits, i[:, 0])


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 2])
def test_a_whole_network_trains_as_on_the_cpu(gpu, order):
    gpu.order = order

    def train(where):
        torch.manual_seed(0)
        model = Everything().to(where)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
        x, i = torch.randn(3, 1, 8, 8).to(where), torch.randint(0, 11, (3, 6)).to(where)

        @torch.compile
        def step():
            optimiser.zero_grad()
            loss = model(x, i)
            loss.backward()
            optimiser.step()
            return loss

        losses = [step().item() for _ in range(4)]
        assert step.left is None
        return losses, type(step.variants[0].program).__name__

    (found, program), (expected, _) = train("cuda"), train("cpu")
    assert program == "CudaExecutable"
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert expected[-1] < expected[0] / 2
