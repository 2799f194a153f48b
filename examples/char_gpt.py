"""A character-level GPT on nine plays of Shakespeare: AdamW, gradient clipping, then sampling.

python examples/char_gpt.py                   eager, then compiled
python examples/char_gpt.py --torch           the same program under PyTorch
"""

import argparse
import sys
import time

from datasets import shakespeare

if "--torch" in sys.argv:
    import torch
else:
    import graphtorch as torch

nn, F = torch.nn, torch.nn.functional
CONTEXT, WIDTH, HEADS, LAYERS, BATCH = 64, 128, 4, 3, 16


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.expand, self.contract = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = (
            t.view(b, s, HEADS, d // HEADS).transpose(1, 2)
            for t in self.qkv(self.norm1(x)).split(d, dim=2)
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(attended.transpose(1, 2).reshape(b, s, d))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.token = nn.Embedding(vocabulary, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def train(codes, vocabulary, compiled, steps, quiet=False):
    """Train; returns (model, losses, median seconds a step, seconds of the first step)."""
    torch.manual_seed(0)
    model = GPT(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).view(-1, vocabulary), y.view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    if compiled:
        step = torch.compile(step)
    losses, seconds = [], []
    for i in range(steps):
        starts = torch.randint(0, len(codes) - CONTEXT - 1, (BATCH,)).tolist()
        x = torch.stack([codes[s : s + CONTEXT] for s in starts])
        y = torch.stack([codes[s + 1 : s + CONTEXT + 1] for s in starts])
        start = time.perf_counter()
        loss = step(x, y)
        seconds.append(time.perf_counter() - start)
        losses.append(loss.item())
        if not quiet and (i < 50 or i % 50 == 49):
            print(f"  step {i + 1:4d}  loss {losses[-1]:.4g}")
    return model, losses, sorted(seconds)[len(seconds) // 2], seconds[0]


def sample(model, characters, prompt, length):
    """Write `length` characters after `prompt`."""
    model.eval()
    tokens = [characters.index(c) for c in prompt]
    with torch.no_grad():
        for _ in range(length):
            logits = model(torch.tensor([tokens[-CONTEXT:]]))[0, -1]
            tokens.append(torch.multinomial(F.softmax(logits / 0.8, dim=0), 1).item())
    return "".join(characters[t] for t in tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--eager-steps", type=int, default=60)
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()
    codes, characters = shakespeare()
    codes = torch.from_numpy(codes)
    print(f"{len(codes)} characters, {len(characters)} different\neager")
    _, losses, eager, _ = train(codes, len(characters), False, options.eager_steps)
    print(f"  {eager * 1e3:.1f} ms a step (median)\ncompiled")
    model, losses, compiled, first = train(codes, len(characters), True, options.steps)
    print(f"  {compiled * 1e3:.1f} ms a step (median); first step {first:.2f} s")
    print(f"speed-up {eager / compiled:.1f}x; last loss {losses[-1]:.4g}\n")
    print(sample(model, characters, "HAMLET.\n", 300))


if __name__ == "__main__":
    main()
