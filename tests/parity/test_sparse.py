"""Sparse tensors against torch: products, sums, gradients, printing, files."""

import io
import warnings

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")
warnings.filterwarnings("ignore", "Sparse CSR")

PROGRAMS = """
a
a.coalesce()
a.coalesce().indices()
a.coalesce().values()
a.to_dense()
a._nnz()
(a.is_sparse, a.layout, a.shape, a.dtype, a.sparse_dim(), a.dense_dim(), a.is_coalesced())
a.t().to_dense()
a.transpose(0, 1).coalesce()
torch.sparse.mm(a, x)
a @ x
a.matmul(x)
torch.mm(a, x)
torch.matmul(a, x)
a.mv(x[:, 0])
a.coalesce() @ a.t().coalesce()
torch.sparse.addmm(torch.ones(2, 2), a, x, beta=2.0, alpha=3.0)
(a + a).to_dense()
a.coalesce() + a.coalesce()
torch.add(a, a, alpha=2).to_dense()
(a - a.coalesce()).to_dense()
torch.ones(2, 3) + a
a * 2
(a / 2).coalesce()
-a.coalesce()
(a * a).coalesce()
(a.coalesce() * torch.arange(6.0).reshape(2, 3)).to_dense()
torch.sparse.sum(a)
torch.sparse.sum(a, 0)
torch.sparse.sum(a, [1])
torch.sparse.sum(a, (0, 1))
torch.sparse.softmax(a.coalesce(), 1)
torch.sparse.log_softmax(a.coalesce(), 0)
a.coalesce().sqrt()
a.coalesce().pow(2)
a.to(torch.float64)
a.double()
torch.eye(3).to_sparse()
torch.arange(12.0).reshape(2, 3, 2).to_sparse(2)
torch.sparse_coo_tensor([[0, 1]], [[1.0, 2.0], [3.0, 4.0]], (3, 2))
torch.sparse_coo_tensor([[0, 1]], [[1.0, 2.0], [3.0, 4.0]], (3, 2)).to_dense()
torch.sparse_coo_tensor([[0, 4], [1, 2]], [1, 2])
torch.sparse_coo_tensor((2, 3)).to_dense()
torch.sparse_csr_tensor([0, 2, 3], [0, 2, 1], [1.0, 2.0, 3.0], (2, 3))
torch.sparse_csr_tensor([0, 2, 3], [0, 2, 1], [1.0, 2.0, 3.0], (2, 3)).to_dense()
torch.sparse_csr_tensor([0, 2, 3], [0, 2, 1], [1.0, 2.0, 3.0], (2, 3)) @ x
a.to_sparse_csr()
a.to_sparse_csr().crow_indices()
a.to_sparse_csr().col_indices()
a.to_sparse_csr().values()
a.to_sparse_csr().to_sparse()
v.requires_grad_(); torch.sparse.mm(torch.sparse_coo_tensor(i, v, (2, 3)), x).pow(2).sum().backward(); v.grad
x.requires_grad_(); torch.sparse.mm(a, x).pow(2).sum().backward(); x.grad
x.requires_grad_(); (a.to_sparse_csr() @ x).pow(2).sum().backward(); x.grad
v.requires_grad_(); torch.sparse_coo_tensor(i, v, (2, 3)).coalesce().values().pow(2).sum().backward(); v.grad
v.requires_grad_(); torch.sparse_coo_tensor(i, v, (2, 3)).to_dense().pow(2).sum().backward(); v.grad
v.requires_grad_(); torch.sparse.softmax(torch.sparse_coo_tensor(i, v, (2, 3)).coalesce(), 1).to_dense().pow(2).sum().backward(); v.grad
s = torch.sparse_coo_tensor(i, v, (2, 3)).coalesce().requires_grad_(); torch.sparse.mm(s, x).pow(2).sum().backward(); s.grad.to_dense()
""".strip().splitlines()


def run(room, program):
    scope = {
        "torch": room,
        "i": room.tensor([[0, 1, 1, 1], [2, 0, 2, 0]]),
        "v": room.tensor([3.0, 4.0, 5.0, 0.5]),
        "x": room.arange(6.0).reshape(3, 2) / 3 - 1,
    }
    scope["a"] = room.sparse_coo_tensor(scope["i"], scope["v"], (2, 3))
    *before, last = program.split("; ")
    for line in before:
        exec(line, scope)
    return eval(last, scope)


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(program):
    got, expected = run(graphtorch, program), run(torch, program)
    if isinstance(expected, torch.Tensor) and expected.layout is not torch.strided:
        assert str(got.layout) == str(expected.layout) and tuple(got.shape) == tuple(expected.shape)
        assert got._nnz() == expected._nnz() and str(got.dtype) == str(expected.dtype)
        got_text, expected_text = repr(got), repr(expected)
        assert got_text == expected_text
        got, expected = got.to_dense(), expected.to_dense()
    if isinstance(expected, torch.Tensor):
        assert str(got.dtype) == str(expected.dtype)
        np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), 1e-5, 1e-6)
    else:
        assert str(got) == str(expected)


WRONG = """
torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0, 3.0], (3,))
a.indices()
a.values()
""".strip().splitlines()


@pytest.mark.parametrize("program", WRONG)
def test_what_is_wrong_raises(program):
    with pytest.raises(RuntimeError) as expected:
        run(torch, program)
    with pytest.raises(RuntimeError) as got:
        run(graphtorch, program)
    assert str(got.value).split("\n")[0][:30] == str(expected.value)[:30]


def test_parts_are_always_checked():
    """torch does so only if asked; here memory outside of a tensor is never read."""
    for options, what in (
        (([[0, 5]], [1.0, 2.0], (3,)), "found index 5"),
        (([[0, -1]], [1.0, 2.0], (3,)), "negative index -1"),
        (([[0, 1]], [1.0, 2.0], (3, 3)), "number of dimensions"),
    ):
        with pytest.raises(RuntimeError, match=what):
            graphtorch.sparse_coo_tensor(*options)
        with pytest.raises(RuntimeError):
            torch.sparse_coo_tensor(*options, check_invariants=True)
    with pytest.raises(RuntimeError, match="do not describe a matrix"):
        graphtorch.sparse_csr_tensor([0, 2, 1], [0, 1], [1.0, 2.0], (2, 2))


def test_dense_operations_are_refused_by_name():
    for program in (
        "a.cumsum(0)",
        "torch.fft.fft(a)",
        "torch.exp(a)",
        "torch.sort(a)",
        "a.view(3, 2)",
    ):
        with pytest.raises(graphtorch.UnsupportedError, match="not there for sparse tensors"):
            run(graphtorch, program)


def test_a_graph_network_trains_compiled_as_it_does_eagerly():
    draws = np.random.RandomState(0)
    edges = np.unique(draws.randint(0, 6, (2, 14)), axis=1)
    features, first, second = (draws.randn(*s).astype(np.float32) for s in ((6, 4), (4, 5), (5, 2)))

    def losses(room, compiled=False):
        adjacency = room.sparse_coo_tensor(
            room.from_numpy(edges), room.ones(edges.shape[1]) / 3, (6, 6)
        ).coalesce()
        weights = [room.from_numpy(w.copy()).requires_grad_() for w in (first, second)]
        optimiser = room.optim.SGD(weights, lr=0.5)
        x, y = room.from_numpy(features), room.tensor([0, 1, 0, 1, 1, 0])

        def step():
            optimiser.zero_grad()
            hidden = room.relu(room.sparse.mm(adjacency, x @ weights[0]))
            loss = room.nn.functional.cross_entropy(
                room.sparse.mm(adjacency, hidden @ weights[1]), y
            )
            loss.backward()
            optimiser.step()
            return loss

        run_step = room.compile(step) if compiled else step
        return [run_step().item() for _ in range(5)]

    expected = losses(torch)
    np.testing.assert_allclose(losses(graphtorch), expected, 1e-5)
    np.testing.assert_allclose(losses(graphtorch, compiled=True), expected, 1e-5)


@pytest.mark.parametrize("pair", [(torch, graphtorch), (graphtorch, torch)])
def test_files(pair):
    here, there = pair
    coordinates = here.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0], (2, 2)).coalesce()
    file = io.BytesIO()
    here.save({"a": coordinates, "b": coordinates.to_sparse_csr()}, file)
    file.seek(0)
    loaded = there.load(file)
    assert loaded["a"].is_coalesced() and str(loaded["b"].layout) == "torch.sparse_csr"
    for value in loaded.values():
        assert value.to_dense().tolist() == [[0.0, 1.0], [2.0, 0.0]]
