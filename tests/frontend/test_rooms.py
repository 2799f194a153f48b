"""torch's rooms beside the ops: what they answer in one process without a GPU, and how they import as `torch`."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import graphtorch as torch


def run_as_torch(program):
    """Run a program in a fresh interpreter where `torch` is graphtorch; return what it prints."""
    head = "import graphtorch; graphtorch.install_as_torch()\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_under_the_name_torch():
    printed = run_as_torch(
        """
        import torch, torch.backends.cudnn as cudnn, torch.distributed as dist, torch.multiprocessing as mp
        import torch.nn.parallel, torch.utils.data.distributed, torch.utils.model_zoo, torch.onnx
        from torch.cuda.amp import autocast, GradScaler
        from torch.distributions.normal import Normal
        from torch.nn.parallel import DataParallel
        from torch.utils.data import DataLoader
        import graphtorch.distributions as d
        print(Normal is d.Normal, dist.is_available(), dist.is_initialized(), cudnn.is_available())
        for name in ("torch.distributed.tensor.parallel", "torch.no_such_room"):
            try:
                __import__(name)
            except ModuleNotFoundError as error:
                print(error.name, "one process" in str(error))
        try:
            from torch.distributed.fsdp.wrap import no_such_policy
        except ImportError:
            print("ImportError")
        """
    )
    assert printed.split("\n")[:4] == [
        "True False False False",
        "torch.distributed.tensor.parallel True",
        "torch.no_such_room False",
        "ImportError",
    ]


def test_a_process_group_of_one():
    dist = torch.distributed
    with pytest.raises(ValueError, match="has not been initialized"):
        dist.get_rank()
    with pytest.raises(NotImplementedError, match="2 processes"):
        dist.init_process_group("gloo", world_size=2, rank=0)
    dist.init_process_group("gloo", rank=0, world_size=1)
    try:
        assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "gloo")
        x, out = torch.ones(3), [torch.zeros(3)]
        dist.all_reduce(x)
        dist.all_gather(out, x * 2)
        assert x.tolist() == [1, 1, 1] and out[0].tolist() == [2, 2, 2]
        objects = [None]
        dist.all_gather_object(objects, {"a": 1})
        assert objects == [{"a": 1}]
        assert dist.all_reduce(x, async_op=True).wait()
        with pytest.raises(NotImplementedError, match="another process"):
            dist.send(x, 1)
    finally:
        dist.destroy_process_group()
    assert not dist.is_initialized()


def test_devices_that_are_not_here():
    for room in (torch.xpu, torch.mps, torch.mtia):
        assert (room.is_available(), room.device_count()) == (False, 0)
    assert torch.xpu.memory_allocated() == 0
    torch.xpu.manual_seed_all(0)
    with pytest.raises(AttributeError, match="no Intel GPUs"):
        torch.xpu.get_device_name()
    assert torch.cpu.is_available() and torch.cpu.device_count() == 1
    assert torch.get_device_module("cpu") is torch.cpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu():
    assert torch.accelerator.current_accelerator() is None
    assert torch.cuda.memory_stats() == {} and torch.cuda.get_rng_state_all() == []
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
    with pytest.raises(TypeError, match=r"torch\.cuda\.FloatTensor not available"):
        torch.cuda.FloatTensor([1.0])
    with torch.cuda.device(None), torch.cuda.nvtx.range("a"):
        assert torch.cuda.nvtx.range_push("b") == 1
        assert torch.cuda.nvtx.range_pop() == 1


def test_profiler_records_ops_blocks_and_steps(tmp_path):
    ready = []
    plan = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)
    assert [plan(i).name for i in range(5)] == [
        "NONE",
        "WARMUP",
        "RECORD",
        "RECORD_AND_SAVE",
        "NONE",
    ]
    with torch.profiler.profile(
        schedule=plan, on_trace_ready=ready.append, record_shapes=True
    ) as p:
        for _ in range(6):
            with torch.profiler.record_function("block"):
                torch.ones(2, 3) @ torch.ones(3, 2)
            p.step()
    assert ready == [p]
    counts = {e.key: e.count for e in p.key_averages()}
    assert (counts["block"], counts["aten::matmul"]) == (2, 2)
    (block,) = [e for e in p.key_averages() if e.key == "block"]
    assert block.cpu_time_total >= block.self_cpu_time_total > 0
    assert "aten::matmul" in p.key_averages().table(sort_by="cpu_time_total")
    assert [2, 3] in next(e for e in p.events() if e.name == "aten::matmul").input_shapes
    p.export_chrome_trace(str(tmp_path / "trace.json"))
    assert '"aten::matmul"' in (tmp_path / "trace.json").read_text()
    torch.ones(2) * 2  # nothing listens any more
    assert {e.key: e.count for e in p.key_averages()} == counts


def test_benchmark_timer_and_comparison():
    bench = torch.utils.benchmark
    a = bench.Timer("x + 1", globals={"x": 1}, label="add", description="small").timeit(50)
    assert a.number_per_run == 50 and a.mean > 0
    b = bench.Timer("x + 1", globals={"x": 1}, label="add", description="more")
    table = str(bench.Compare([a, b.blocked_autorange(min_run_time=0.001)]))
    assert "small" in table and "more" in table and "Times are in" in table


def test_futures():
    f, g = torch.futures.Future(), torch.futures.Future()
    after = f.then(lambda done: done.value() + 1)
    both = torch.futures.collect_all([f, g])
    f.set_result(1)
    assert after.wait() == 2 and not both.done()
    g.set_exception(KeyError("k"))
    assert both.done()
    with pytest.raises(KeyError):
        torch.futures.wait_all([f, g])
    with pytest.raises(RuntimeError, match="once"):
        f.set_result(3)


def test_files_from_a_url(tmp_path, monkeypatch):
    source = tmp_path / "weights.pt"
    torch.save({"w": torch.arange(3)}, source)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    loaded = torch.hub.load_state_dict_from_url(source.as_uri(), progress=False)
    assert loaded["w"].tolist() == [0, 1, 2]
    assert (tmp_path / "home" / "hub" / "checkpoints" / "weights.pt").exists()
    with pytest.raises(RuntimeError, match="invalid hash value"):
        torch.hub.download_url_to_file(source.as_uri(), str(tmp_path / "x"), hash_prefix="00")
    assert not (tmp_path / "x").exists()
    with pytest.raises(NotImplementedError, match="network"):
        torch.hub.load("somebody/models", "resnet")


def test_a_tensor_over_a_file(tmp_path):
    path = str(tmp_path / "numbers")
    x = torch.from_file(path, shared=True, size=4)
    x.fill_(2.0)
    assert np.fromfile(path, np.float32).tolist() == [2, 2, 2, 2]
    y = torch.from_file(path, shared=False, size=2)
    y.fill_(5.0)
    assert np.fromfile(path, np.float32).tolist() == [2, 2, 2, 2]


def test_dtypes_that_are_only_held():
    x = torch.tensor([1, 2, 65535], dtype=torch.uint16)
    assert x.to(torch.int32).tolist() == [1, 2, 65535]
    y = torch.tensor([0.1, -500.0, float("nan")]).to(torch.float8_e4m3fn)
    assert y.float().tolist()[:2] == [0.1015625, -448.0] and y.isnan().tolist() == [
        False,
        False,
        True,
    ]
    with pytest.raises(RuntimeError, match="Promotion for uint16, uint32, uint64 types"):
        torch.promote_types(torch.uint16, torch.int32)
    with pytest.raises(NotImplementedError, match="UInt16"):
        x + 1

    @torch.compile
    def f(a):
        return a.to(torch.uint16).to(torch.float32) + 1

    assert f(torch.tensor([1.0, 2.0])).tolist() == [2.0, 3.0]


def test_symbols_have_no_instances():
    assert not isinstance(3, torch.SymInt)
    with pytest.raises(NotImplementedError, match="shapes are Python numbers"):
        torch.SymInt(3)
    assert (torch.sym_int(-2.7), torch.sym_max(1, 2.0), torch.sym_ite(False, 1, 2)) == (-2, 2.0, 2)


def test_spread_over_one_device():
    net = torch.nn.Linear(2, 3)
    x = torch.ones(4, 2)
    assert torch.equal(torch.nn.parallel.data_parallel(net, x), net(x))
    with pytest.raises(NotImplementedError, match="2 devices"):
        torch.nn.parallel.scatter(x, [0, 1])
    joined = torch.nn.parallel.gather([{"a": torch.ones(1)}, {"a": torch.zeros(1)}], "cpu")
    assert joined["a"].tolist() == [1, 0]


def test_swapped_tensors():
    a, b = torch.ones(2), torch.nn.Parameter(torch.zeros(3))
    torch.utils.swap_tensors(a, b)
    assert isinstance(a, torch.nn.Parameter) and a.tolist() == [0, 0, 0] and b.tolist() == [1, 1]
