"""y = 2x + 1, the hello world of PyTorch tutorials: mean squared error and SGD."""

import sys
import time

if "--torch" in sys.argv:
    import torch
else:
    import graphtorch as torch


def main(compiled, steps=300):
    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 100).unsqueeze(1)
    y = 2 * x + 1 + 0.05 * torch.randn(100, 1)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss_function = torch.nn.MSELoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if compiled:
        step = torch.compile(step)
    losses = []
    start = time.perf_counter()
    for _ in range(steps):
        losses.append(step(x, y).detach())
    seconds = time.perf_counter() - start
    for i in [*range(0, 50), *range(50, steps, 50)]:
        print(f"step {i:3d}  loss {losses[i].item():.5g}")
    print(f"y = {model.weight.item():.3f} x + {model.bias.item():.3f}")
    print(f"{'compiled' if compiled else 'eager'}: {seconds / steps * 1e6:.0f} us a step\n")
    return [loss.item() for loss in losses], seconds / steps


if __name__ == "__main__":
    eager, eager_seconds = main(compiled=False)
    compiled, compiled_seconds = main(compiled=True)
    print(f"speed-up {eager_seconds / compiled_seconds:.1f}x (the first, compiling step included)")
