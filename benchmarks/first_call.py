"""Time of the first compiled train step in a new process, and its peak memory.

    GRAPHTORCH_CACHE_DIR=/tmp/empty python benchmarks/first_call.py mlp     # cold; run it again: warm
    GRAPHTORCH_CACHE_DIR=/tmp/empty python benchmarks/first_call.py gpt

gpt: 6 layers, width 384, 6 heads, context 256, batch 4, AdamW.  mlp: 784-128-10, batch 64, Adam.
"""

import resource
import sys
import time

import graphtorch as torch

nn, F = torch.nn, torch.nn.functional
LAYERS, WIDTH, HEADS, CONTEXT, BATCH, VOCABULARY = 6, 384, 6, 256, 4, 65


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
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(b, s, d))
        return x + self.contract(F.gelu(self.expand(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).view(-1, VOCABULARY)


def main():
    torch.set_num_threads(1)
    if sys.argv[1] == "gpt":
        model = GPT()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        x, y = (torch.randint(0, VOCABULARY, (BATCH, CONTEXT)) for _ in range(2))
    else:
        model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))

    @torch.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y.view(-1))
        loss.backward()
        optimizer.step()
        return loss

    start = time.perf_counter()
    step(x, y)
    print(f"first call {time.perf_counter() - start:.3f} s")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        step(x, y)
        times.append(time.perf_counter() - start)
    print(f"later calls {sorted(times)[2] * 1e3:.3f} ms (median)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
