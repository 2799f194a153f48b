"""Error classes and first words of `torch.nn.functional` against torch.  One program a line; see `side_by_side.py` for the names it may use."""

import pytest

from tests.parity.side_by_side import agree_on_words

PROGRAMS = """
F.linear(x, x.t())
F.linear(x, y[:, :2])
F.conv2d(x, y)
F.conv2d(c[None], torch.ones(3, 5, 2, 2))
F.cross_entropy(x, torch.tensor([0, 1]))
F.cross_entropy(x, torch.tensor([0, 9, 1]))
F.nll_loss(x, torch.tensor([0, 9, 1]))
F.embedding(torch.tensor([9]), x)
F.embedding(x, x)
F.layer_norm(x, (3,))
F.layer_norm(x, (4,), w)
F.softmax(x, 3)
F.mse_loss(x, torch.ones(5))
F.dropout(x, 1.5)
F.batch_norm(v[None], None, None, training=True)
F.pad(x, (1,))
F.binary_cross_entropy(p, x[:2])
F.interpolate(c[None])
F.group_norm(c, 2)
F.glu(w)
F.scaled_dot_product_attention(c, c[:, :, :2], c)
F.conv2d(c[None], torch.ones(3, 2, 9, 9))
F.cross_entropy(x, torch.tensor([0.5, 1, 2]))
F.one_hot(x)
F.linear(x, y.double())
F.binary_cross_entropy(x * 9, b.float())
"""


@pytest.mark.parametrize("program", PROGRAMS.strip().splitlines())
def test_functional_errors(program: str) -> None:
    agree_on_words(program)
