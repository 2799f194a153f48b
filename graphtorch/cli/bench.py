"""`python -m graphtorch bench`: eager and compiled train steps of small models, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def _cases() -> dict[str, Callable[[], tuple[Callable, tuple]]]:
    import graphtorch as torch

    nn, F = torch.nn, torch.nn.functional

    def step_of(model: Any, optimizer: Any) -> Callable:
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    def mlp() -> tuple[Callable, tuple]:
        model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        return step_of(model, torch.optim.Adam(model.parameters(), lr=1e-3)), (
            torch.randn(64, 784),
            torch.randint(0, 10, (64,)),
        )

    def cnn() -> tuple[Callable, tuple]:
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 10),
        )  # fmt: skip
        return step_of(model, torch.optim.SGD(model.parameters(), lr=1e-2)), (
            torch.randn(64, 1, 28, 28),
            torch.randint(0, 10, (64,)),
        )

    def chain() -> tuple[Callable, tuple]:
        def function(x: Any) -> Any:
            with torch.no_grad():
                return torch.sqrt(F.gelu(x * 1.5 + 0.5) ** 2 + 1.0)

        return function, (torch.randn(1_000_000),)

    return {
        "MLP 784-128-10, Adam step": mlp,
        "LeNet-like CNN, SGD step": cnn,
        "pointwise chain, 1e6": chain,
    }


def measure(seconds: float) -> None:
    """Print a table of median times; eager and compiled calls alternate."""
    import graphtorch as torch

    print(f"{'':30s} {'eager':>12s} {'compiled':>12s} {'ratio':>7s} {'first call':>11s}")
    for name, make in _cases().items():
        torch.manual_seed(0)
        function, arguments = make()
        compiled = torch.compile(function)
        start = time.perf_counter()
        compiled(*arguments)
        first = time.perf_counter() - start
        times: dict[Any, list[float]] = {function: [], compiled: []}
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times[function]) < 5:
            for run, found in times.items():
                start = time.perf_counter()
                run(*arguments)
                found.append(time.perf_counter() - start)
        eager, fast = (statistics.median(t) for t in times.values())
        print(
            f"{name:30s} {eager * 1e6:9.0f} us {fast * 1e6:9.0f} us {eager / fast:6.1f}x {first:9.2f} s"
        )
