"""What a context variable gives depends on who calls: a function that asks stays eager, visibly."""

import warnings
from contextvars import ContextVar

import graphtorch as torch

COLLECTED: ContextVar[list] = ContextVar("COLLECTED")


def test_appending_to_a_list_from_a_context_variable_is_not_lost():
    @torch.compile
    def f(x):
        y = x * 2
        COLLECTED.get().append(y)
        return y + 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(3):
            collected = []
            COLLECTED.set(collected)
            x = torch.full((2,), float(n))
            assert f(x).tolist() == [2.0 * n + 1] * 2
            assert [y.tolist() for y in collected] == [[2.0 * n] * 2]
    assert "ContextVar.get()" in str(f.explain())
