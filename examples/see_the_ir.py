"""Everything the compiler makes of one small function: every graph, kernel, LLVM IR, assembly, CUDA C.

python examples/see_the_ir.py                 all of it
python examples/see_the_ir.py llvm cuda       only these stages
"""

import sys

import graphtorch as torch
from graphtorch.frontend import inspection


@torch.compile
def step(x, w, y):
    """One gradient of a small softmax regression."""
    loss = torch.nn.functional.cross_entropy(torch.tanh(x @ w), y)
    (gradient,) = torch.autograd.grad(loss, w)
    return loss, gradient


def main():
    torch.manual_seed(0)
    x, w = torch.randn(32, 16), torch.randn(16, 10, requires_grad=True)
    step(x, w, torch.randint(0, 10, (32,)))
    variant = step.variants[0]
    for stage in sys.argv[1:] or inspection.stage_names(variant):
        print(f"\n{'=' * 20} {stage} {'=' * 20}\n")
        print(inspection.stage_text(variant, stage))


if __name__ == "__main__":
    main()
