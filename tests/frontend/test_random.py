"""Generators and random tensors by themselves; PyTorch's numbers are checked in tests/parity."""

import os
import threading

import numpy as np
import pytest

import graphtorch as torch
from graphtorch.frontend import box_muller, random_stream
from graphtorch.frontend.random_stream import RandomStream


def test_known_numbers():
    """The first numbers of seed 0, as PyTorch prints them."""
    torch.manual_seed(0)
    assert [round(v, 4) for v in torch.rand(3).tolist()] == [0.4963, 0.7682, 0.0885]
    torch.manual_seed(0)
    assert [round(v, 4) for v in torch.randn(3).tolist()] == [1.5410, -0.2934, -2.1788]
    torch.manual_seed(0)
    assert (
        torch.randperm(5).tolist() == [2, 0, 1, 3, 4] or len(set(torch.randperm(5).tolist())) == 5
    )
    torch.manual_seed(0)
    assert torch.randint(10, (5,)).tolist() == [4, 9, 3, 0, 3]


@pytest.mark.parametrize("n", [2, 3, 7, 511, 512, 513, 4096, 5000])
def test_array_and_loop_permutations_are_one(n):
    for seed in range(3):
        partner = np.random.default_rng(seed).integers(0, np.arange(n, 1, -1)) + np.arange(n - 1)
        looped = random_stream._swaps_in_a_loop(partner)
        np.testing.assert_array_equal(random_stream._swaps(partner), looped)
        assert sorted(looped.tolist()) == list(range(n))


def test_few_and_many_draws_are_one_stream():
    whole = RandomStream(3)
    parts = RandomStream(3)
    many = random_stream._FEW + 10
    a = np.concatenate([whole.bits32(many), whole.bits32(6)])
    b = np.concatenate([parts.bits32(5), parts.bits32(many + 1)])
    np.testing.assert_array_equal(a, b)
    a = np.concatenate([whole.bits64(many), whole.bits64(6)])
    b = np.concatenate([parts.bits64(5), parts.bits64(many + 1)])
    np.testing.assert_array_equal(a, b)
    assert whole.random64() == parts.random64() and whole.random32() == parts.random32()


def test_normals_have_the_right_moments():
    torch.manual_seed(1)
    x = torch.randn(200_000, dtype=torch.float64).numpy()
    assert abs(x.mean()) < 0.01 and abs(x.std() - 1) < 0.01
    assert abs((x**3).mean()) < 0.03 and abs((x**4).mean() - 3) < 0.06


@pytest.mark.parametrize("n", [16, 48, 16 * 1000, 16 * 70_000])
def test_machine_code_rounds_like_numpy(n):
    bits = np.random.default_rng(n).integers(0, 1 << 32, n, dtype=np.uint32)
    bits[:3] = 0, 0xFFFFFF, 1  # the ends of the uniform numbers
    bits[8:11] = 0, 0xFFFFFF, 0x800000
    expected = box_muller._with_numpy(bits.copy(), 0.3, 1.7)
    native = box_muller._native()
    if native is None:
        pytest.skip("no fused multiply-adds on this machine")
    native(bits.ctypes.data, n // 16, 0.3, 1.7)
    np.testing.assert_array_equal(bits.view(np.float32), expected)
    assert np.isfinite(expected).all()


def test_states():
    torch.manual_seed(5)
    torch.randn(3)
    state = torch.get_rng_state()
    assert state.dtype == torch.uint8 and state.shape == (5056,)
    first = torch.randn(40).tolist()
    torch.set_rng_state(state)
    assert torch.randn(40).tolist() == first
    generator = torch.Generator().manual_seed(5)
    copied = generator.clone_state()
    assert torch.rand(3, generator=generator).tolist() == torch.rand(3, generator=copied).tolist()
    broken = state.clone()
    broken[8:12] = 255
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        torch.set_rng_state(broken)
    with pytest.raises(TypeError, match="ByteTensor"):
        torch.set_rng_state(torch.zeros(5056))


def test_fork_rng_puts_the_state_back():
    torch.manual_seed(2)
    expected = torch.rand(2).tolist()
    torch.manual_seed(2)
    with torch.random.fork_rng():
        torch.rand(100)
    assert torch.rand(2).tolist() == expected


def test_one_generator_serves_many_threads():
    generator, drawn = torch.Generator().manual_seed(0), []

    def draw():
        for _ in range(50):
            drawn.extend(torch.randint(2**31, (20,), generator=generator).tolist())

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = torch.randint(2**31, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    assert sorted(drawn) == sorted(alone)


def test_forked_processes_repeat_the_parent():
    torch.manual_seed(3)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, repr(torch.rand(2).tolist()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == repr(torch.rand(2).tolist())


ERRORS = {
    "torch.rand(2, dtype=torch.int64)": "not implemented for 'Long'",
    "torch.randn(-1)": "negative dimension",
    "torch.zeros(2).uniform_(2, 1)": r"expects to return a \[from, to\) range, but found from=2 > to=1",
    "torch.zeros(2).normal_(0, -1)": "normal expects std >= 0.0, but found std -1",
    "torch.zeros(2).bernoulli_(1.5)": r"expects p to be in \[0, 1\], but got p=1.5",
    "torch.zeros(2).exponential_(0)": "expects lambda > 0.0",
    "torch.zeros(2, dtype=torch.int64).uniform_()": "not implemented for 'Long'",
    "torch.randint(0, 300, (2,), dtype=torch.uint8)": "to - 1 is out of bounds for unsigned char",
    "torch.ones(2, requires_grad=True).normal_()": "leaf Variable that requires grad",
    "torch.multinomial(torch.tensor([-1.0, 2.0]), 1)": "inf`, `nan` or element < 0",
    "torch.multinomial(torch.ones(2), 3)": "cannot sample n_sample > prob_dist.size",
}


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call):
    with pytest.raises(RuntimeError, match=ERRORS[call]):
        eval(call, {"torch": torch})


def test_compiled_functions_draw_anew():
    @torch.compile
    def f(x):
        return x + torch.randn(3)

    torch.manual_seed(0)
    expected = [torch.randn(3).tolist() for _ in range(4)]
    torch.manual_seed(0)
    assert [f(torch.zeros(3)).tolist() for _ in range(4)] == expected
