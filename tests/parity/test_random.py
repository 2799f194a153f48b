"""The CPU generator: PyTorch's numbers from PyTorch's seeds."""

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

LIBRARIES = (torch, graphtorch)
DTYPES = ["float32", "float64", "float16", "bfloat16"]
SIZES = [(), (1,), (5,), (15,), (16,), (17,), (3, 40), (5000,)]


def to_numpy(x):
    return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()


def both(call, seed=0):
    """The same call under both libraries, with the generator's state afterwards."""
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(seed)
        value = call(lib)
        results.append((to_numpy(value), lib.get_rng_state().numpy()))
    (expected, state), (actual, own_state) = results
    np.testing.assert_array_equal(own_state, state)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    return actual, expected


def same(call, seed=0):
    actual, expected = both(call, seed)
    np.testing.assert_array_equal(actual, expected)


def near(call, seed=0, ulp=4):
    actual, expected = both(call, seed)
    np.testing.assert_array_max_ulp(actual, expected, ulp)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_rand_and_randn(size, dtype):
    for seed in (0, 1, 2**40 + 3, -7):
        same(lambda lib: lib.rand(size, dtype=getattr(lib, dtype)), seed)
        check = near if dtype == "float64" else same
        check(lambda lib: lib.randn(size, dtype=getattr(lib, dtype)), seed)


FILLS = [
    ("uniform_", (-0.3, 2.0)), ("normal_", (1.5, 0.7)), ("exponential_", (2.0,)), ("geometric_", (0.3,)),
    ("cauchy_", (0.5, 2.0)), ("log_normal_", (0.1, 0.2)), ("random_", ()), ("random_", (9,)), ("random_", (3, 9)),
    ("bernoulli_", (0.3,)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "arguments"), FILLS)
def test_fills(name, arguments, dtype):
    for size in ((), (7,), (4, 9)):
        call = lambda lib, size=size: getattr(lib.zeros(size, dtype=getattr(lib, dtype)), name)(
            *arguments
        )
        exact = name in ("geometric_", "random_", "bernoulli_") or dtype != "float64"
        if name in ("cauchy_", "log_normal_", "exponential_") or (name, dtype) == (
            "normal_",
            "float64",
        ):
            actual, expected = both(call)
            np.testing.assert_allclose(actual, expected, rtol=1e-12 if dtype == "float64" else 1e-3)
        elif exact:
            same(call)
        else:
            near(call)


@pytest.mark.parametrize("layout", ["x.t()", "x[:, ::2]", "x.permute(1, 0)[::3]"])
@pytest.mark.parametrize("fill", ["uniform_()", "normal_()", "random_(50)"])
def test_fills_follow_memory_order(layout, fill):
    def call(lib):
        x = lib.zeros(8, 12)
        view = eval(layout, {"x": x})
        eval(f"v.{fill}", {"v": view})
        return x

    near(call)


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8", "bool", "float32"])
def test_integers(dtype):
    kind = lambda lib: getattr(lib, dtype)
    same(lambda lib: lib.zeros(50, dtype=kind(lib)).random_())
    ranges = [(0, 2)]
    if dtype != "bool":
        ranges += [(3, 100)]
    if dtype in ("int64", "int32"):
        ranges += [(-5, 7), (0, (1 << 28) - 1), (0, 1 << 28)]
    if dtype == "int64":
        ranges += [(-5, 1 << 40), (-(2**63), 2**63 - 1)]
    for low, high in ranges:
        same(lambda lib, low=low, high=high: lib.randint(low, high, (50,), dtype=kind(lib)))
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError, match="from.* to be less than 'to'"):
            lib.randint(5, 5, (1,))


def test_whole_64_bit_range():
    same(lambda lib: lib.empty(20, dtype=lib.int64).random_(-(2**63), None))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 511, 512, 513, 1797, 30000])
def test_permutations(n):
    same(lambda lib: lib.randperm(n), n)
    same(lambda lib: lib.randperm(n, generator=lib.Generator().manual_seed(5)))


def test_small_normals_come_in_pairs():
    same(
        lambda lib: lib.cat([lib.randn(3), lib.randn(20), lib.randn(2), lib.randn(1), lib.randn(4)])
    )


def test_bernoulli_and_multinomial():
    same(lambda lib: lib.bernoulli(lib.rand(200)))
    same(lambda lib: lib.bernoulli(lib.rand(200, dtype=lib.float64)))
    same(lambda lib: lib.rand(30).bernoulli(0.25))
    same(lambda lib: lib.zeros(4, 5).bernoulli_(lib.rand(5)))
    for replacement in (False, True):
        for count in (1, 4):
            same(lambda lib, r=replacement, c=count: lib.multinomial(lib.rand(6), c, r))
            same(lambda lib, r=replacement, c=count: lib.multinomial(lib.rand(3, 6), c, r))


def test_like_functions_and_normal():
    same(lambda lib: lib.rand_like(lib.zeros(3, 4)))
    same(lambda lib: lib.randn_like(lib.zeros(3, 4, dtype=lib.float64)))
    same(lambda lib: lib.randint_like(lib.zeros(3, 4), 10))
    same(lambda lib: lib.randint_like(lib.zeros(3, dtype=lib.int64), 5, 10))
    same(lambda lib: lib.normal(2.0, 3.0, (3, 4)))
    near(lambda lib: lib.normal(lib.arange(4.0), lib.arange(1.0, 5.0)))
    near(lambda lib: lib.normal(lib.arange(4.0), 2.0))
    near(lambda lib: lib.normal(1.0, lib.arange(1.0, 5.0)))


def test_states_are_interchangeable():
    torch.manual_seed(11)
    torch.randn(3)
    torch.rand(700)
    state = torch.get_rng_state()
    graphtorch.set_rng_state(graphtorch.from_numpy(state.numpy().copy()))
    np.testing.assert_array_equal(graphtorch.randn(700).numpy(), torch.randn(700).numpy())
    np.testing.assert_array_equal(graphtorch.randn(5).numpy(), torch.randn(5).numpy())
    torch.set_rng_state(torch.from_numpy(graphtorch.get_rng_state().numpy()))
    assert torch.rand(1).item() == graphtorch.rand(1).item()
    assert graphtorch.initial_seed() == 11


def test_generator_objects():
    for lib in LIBRARIES:
        with lib.random.fork_rng():
            lib.manual_seed(99)
        generator = lib.Generator()
        assert generator.initial_seed() == 67280421310721
        assert str(generator.device) == "cpu"
        assert generator.manual_seed(-1) is generator
        assert generator.initial_seed() == 2**64 - 1
        first = lib.rand(4, generator=generator)
        state = generator.get_state()
        second = lib.rand(4, generator=generator)
        generator.set_state(state)
        assert lib.equal(lib.rand(4, generator=generator), second)
        assert not lib.equal(first, second)
        with pytest.raises((RuntimeError, ValueError)):
            lib.manual_seed(1 << 70)
        with pytest.raises(RuntimeError):
            generator.set_state(state[:100])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_masks(p):
    same(lambda lib: lib.nn.functional.dropout(lib.ones(100, 7), p))
