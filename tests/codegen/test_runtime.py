"""The thread pool: how many threads, when they live, and that they always come home."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from graphtorch.codegen import runtime
from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.native import native
from graphtorch.codegen.llvm.pool import POOL, Layout, expand, pool_text
from graphtorch.codegen.llvm.target import NEON, host
from graphtorch.errors import UnsupportedError

PARALLEL = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, *[ctypes.c_int64] * 3)

# Counts every work item it is given, atomically: buffers[0][item] += 1, and params[0] spins each.
COUNTING = """
define void @counting(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) {
entry:
  %counts = load ptr, ptr %buffers
  %spins = load i64, ptr %params
  br label %item
item:
  %i = phi i64 [%begin, %entry], [%i.1, %next]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %spin, label %done
spin:
  %k = phi i64 [0, %item], [%k.1, %spin]
  %k.1 = add i64 %k, 1
  call void asm sideeffect "", ""()
  %again = icmp slt i64 %k.1, %spins
  br i1 %again, label %spin, label %next
next:
  %p = getelementptr i64, ptr %counts, i64 %i
  %old = atomicrmw add ptr %p, i64 1 monotonic
  %i.1 = add i64 %i, 1
  br label %item
done:
  ret void
}
"""


@pytest.fixture(scope="module")
def counting():
    library = jit.compile([COUNTING], ["counting"], host())
    yield library["counting"]


@pytest.fixture
def pool():
    found = runtime.pool()
    before = found.threads
    yield found
    runtime.set_num_threads(before)


def run(pool, function, counts, chunks, piece, spins=0):
    code = native()
    buffers = np.array([counts.ctypes.data], np.int64)
    params = np.array([spins], np.int64)
    parallel = PARALLEL(code.addresses["graphtorch_parallel"])
    while not code.acquire(pool.address):
        time.sleep(0.001)
    try:
        parallel(
            pool.address, function, buffers.ctypes.data, params.ctypes.data, None, 0, chunks, piece
        )
    finally:
        code.release(pool.address)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("chunks, piece", [(0, 1), (1, 1), (2, 1), (17, 4), (1000, 1), (5, 100)])
def test_every_item_once(pool, counting, threads, chunks, piece):
    runtime.set_num_threads(threads)
    counts = np.zeros(chunks + 2, np.int64)
    for _ in range(50):
        run(pool, counting, counts[1:], chunks, piece)
    assert (counts[1 : chunks + 1] == 50).all()
    assert counts[0] == 0 and counts[-1] == 0


def wait_until(condition):
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("threads", [2, 3])
def test_idle_workers_sleep_in_the_kernel_and_wake(pool, counting, threads):
    runtime.set_num_threads(threads)
    counts = np.zeros(64, np.int64)
    for round in range(1, 6):
        run(pool, counting, counts, 64, 1, spins=2000)
        assert (counts == round).all()
        assert wait_until(lambda: pool.words[POOL.sleepers // 8] == threads - 1)


def test_threads_start_with_the_first_parallel_launch(pool, counting):
    runtime.set_num_threads(1)
    assert pool.started == 0
    runtime.set_num_threads(4)
    assert pool.started == 0 and runtime.get_num_threads() == 4
    run(pool, counting, np.zeros(8, np.int64), 8, 1)
    assert pool.started == 3
    runtime.set_num_threads(2)
    assert pool.started == 0
    run(pool, counting, np.zeros(8, np.int64), 8, 1)
    assert pool.started == 1


def test_many_jobs_wrap_the_generation(pool, counting):
    runtime.set_num_threads(2)
    counts = np.zeros(2, np.int64)
    buffers = np.array([counts.ctypes.data], np.int64)
    params = np.zeros(1, np.int64)
    text = """
declare void @none()
define void @repeat(ptr %parallel, ptr %pool, ptr %function, ptr %buffers, ptr %params, i64 %count) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.1, %loop]
  call void %parallel(ptr %pool, ptr %function, ptr %buffers, ptr %params, ptr null, i64 0, i64 2, i64 1)
  %i.1 = add i64 %i, 1
  %more = icmp slt i64 %i.1, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""
    library = jit.compile([text], ["repeat"], host())
    repeat = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64)(library["repeat"])
    code = native()
    assert code.acquire(pool.address)
    repeat(
        code.addresses["graphtorch_parallel"],
        pool.address,
        counting,
        buffers.ctypes.data,
        params.ctypes.data,
        70_000,
    )
    code.release(pool.address)
    assert counts.tolist() == [70_000, 70_000]


def test_the_pool_has_one_owner(pool):
    code = native()
    assert code.acquire(pool.address) == 1
    assert code.acquire(pool.address) == 0
    code.release(pool.address)
    assert code.acquire(pool.address) == 1
    code.release(pool.address)


def test_resizing_waits_for_the_running_graph(pool):
    code = native()
    assert code.acquire(pool.address)
    resized = threading.Thread(target=runtime.set_num_threads, args=(3,))
    resized.start()
    resized.join(0.02)
    assert resized.is_alive() and pool.threads != 3
    code.release(pool.address)
    resized.join(10)
    assert not resized.is_alive() and runtime.get_num_threads() == 3


@pytest.mark.parametrize("threads", [0, -1])
def test_set_num_threads_wants_a_positive_number(threads):
    with pytest.raises(ValueError, match="positive number of threads, got"):
        runtime.set_num_threads(threads)


def test_set_num_threads_is_bounded(pool):
    runtime.set_num_threads(10**6)
    assert runtime.get_num_threads() == runtime.MAX_THREADS


# ---- how many processors


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_affinity_is_respected():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity here")
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert runtime.available_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    "files, membership, wanted",
    [
        ({"a/b/cpu.max": "150000 100000\n"}, "0::/a/b\n", 1.5),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 2.0),
        ({"a/cpu.max": "50000 100000", "a/b/cpu.max": "300000 100000"}, "0::/a/b\n", 0.5),
        ({"cpu.max": "max 100000"}, "0::/\n", 0.0),
        (
            {"cpu/x/cpu.cfs_quota_us": "300000", "cpu/x/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/x\n",
            3.0,
        ),
        ({"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, "4:cpu:/x\n", 0.0),
        ({"a/cpu.max": "nonsense"}, "0::/a\n", 0.0),
        ({}, "", 0.0),
    ],
)
def test_cgroup_quota(tmp_path, files, membership, wanted):
    for name, text in files.items():
        write(tmp_path / "cgroup" / name, text)
    write(tmp_path / "self", membership)
    assert runtime._cgroup_quota(str(tmp_path / "cgroup"), str(tmp_path / "self")) == wanted


def test_no_cgroups_at_all(tmp_path):
    assert runtime._cgroup_quota(str(tmp_path), str(tmp_path / "missing")) == 0.0


def test_asking_and_setting_load_no_compiler():
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from graphtorch.codegen import runtime\n"
        "assert runtime.get_num_threads() == 3\n"
        "runtime.set_num_threads(5)\n"
        "assert runtime.get_num_threads() == 5\n"
        "assert 'llvmlite' not in sys.modules\n"
        "assert runtime.pool().threads == 5\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    subprocess.run(
        [sys.executable, "-c", script, root, *(p for p in sys.path if p)],
        env={**os.environ, "GRAPHTORCH_NUM_THREADS": "3"},
        check=True,
        timeout=120,
    )


def test_environment_and_exit():
    """A process ends cleanly with workers parked, and takes its size from the environment."""
    script = textwrap.dedent("""
        import sys
        sys.path[:0] = sys.argv[1:]
        import numpy as np
        from test_executable import long_program, long_reference, vector
        from graphtorch.codegen import runtime
        assert runtime.get_num_threads() == 3
        exe = long_program(300_000)
        x, y, out = vector(300_000), vector(300_000, 1), np.empty(300_000, np.float32)
        exe.run([x, y], [out])
        assert np.array_equal(out, long_reference(x, y))
        assert runtime.pool().started == 2
    """)
    here = os.path.dirname(__file__)
    path = [p for p in sys.path if p]
    result = subprocess.run(
        [sys.executable, "-c", script, here, os.path.dirname(os.path.dirname(here)), *path],
        env={**os.environ, "GRAPHTORCH_NUM_THREADS": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0 and not result.stderr, result.stderr


# ---- the text


def test_layout_names_words():
    block = Layout("a b", c=64)
    assert (block.a, block.b, block.c, block.nbytes) == (0, 8, 64, 72)
    assert expand("i64 $X.b, $X.c", X=block) == "i64 8, 64"
    with pytest.raises(AttributeError):
        block.d  # noqa: B018


def test_other_systems(tmp_path):
    assert "__ulock_wait" in pool_text(x86=False, system="darwin")
    assert "isb" in jit.assembly(pool_text(x86=False, system="linux"), NEON)
    with pytest.raises(UnsupportedError, match="Linux and macOS, not on win32"):
        pool_text(x86=True, system="win32")
