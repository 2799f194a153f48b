"""An MLP and a convolutional network on 1,797 real handwritten digits: DataLoader, Adam, a scheduler.

python examples/digits.py                 both models, eager and compiled
python examples/digits.py --model cnn     one of them
python examples/digits.py --torch         the same program under PyTorch
"""

import argparse
import sys
import time

from datasets import digits

if "--torch" in sys.argv:
    import torch
else:
    import graphtorch as torch

nn, F = torch.nn, torch.nn.functional


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(64, 128)
        self.output = nn.Linear(128, 10)

    def forward(self, x):
        return self.output(F.relu(self.hidden(self.flatten(x))))


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)  # the norm has its own
        self.norm = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(32 * 2 * 2, 64)
        self.output = nn.Linear(64, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.norm(self.conv1(x))))
        x = self.pool(F.relu(self.conv2(x)))
        return self.output(F.relu(self.hidden(x.flatten(1))))


def train(make, compiled, epochs, quiet=False):
    """Train a model; returns (losses of every step, held-out accuracy, median seconds a step)."""
    images, labels, test_images, test_labels = (torch.from_numpy(a) for a in digits())
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, labels), batch_size=64, shuffle=True, drop_last=True
    )
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if compiled:
        step = torch.compile(step)
    losses, seconds = [], []
    for epoch in range(epochs):
        for x, y in loader:
            start = time.perf_counter()
            loss = step(x, y)
            seconds.append(time.perf_counter() - start)
            losses.append(loss.item())
            if len(losses) <= 50 and not quiet:
                print(f"  step {len(losses):3d}  loss {losses[-1]:.4g}")
        scheduler.step()
        if not quiet:
            print(f"  epoch {epoch:2d}  loss {losses[-1]:.4g}  lr {scheduler.get_last_lr()[0]:.4g}")
    model.eval()
    with torch.no_grad():
        accuracy = (model(test_images).argmax(1) == test_labels).float().mean().item()
    return losses, accuracy, sorted(seconds)[len(seconds) // 2], seconds[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=["mlp", "cnn", "both"], default="both")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()
    for name, make in (("mlp", MLP), ("cnn", CNN)):
        if options.model not in (name, "both"):
            continue
        print(f"{name}: eager")
        eager = train(make, False, options.epochs)
        print(f"  held-out accuracy {eager[1]:.2%}, {eager[2] * 1e3:.2f} ms a step (median)")
        print(f"{name}: compiled")
        compiled = train(make, True, options.epochs)
        print(f"  held-out accuracy {compiled[1]:.2%}, {compiled[2] * 1e3:.2f} ms a step (median)")
        print(
            f"{name}: speed-up {eager[2] / compiled[2]:.1f}x; first compiled step {compiled[3]:.2f} s\n"
        )


if __name__ == "__main__":
    main()
