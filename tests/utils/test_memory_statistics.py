"""Memory statistics of the CPU, and the honest answers of torch.cuda without a GPU."""

import graphtorch as torch


def test_bytes_of_live_tensors():
    before = torch.cpu.memory_allocated()
    x = torch.zeros(1000, 1000)
    views = [x.t(), x[3], x.reshape(-1)]
    assert torch.cpu.memory_allocated() - before == 4_000_000
    y = x + 1
    assert torch.cpu.memory_allocated() - before == 8_000_000
    del x, y, views
    assert torch.cpu.memory_allocated() - before == 0


def test_resident_memory_and_its_peak():
    torch.cpu.empty_cache()
    torch.cpu.reset_peak_memory_stats()
    held = torch.cpu.memory_reserved()
    x = torch.ones(16, 1 << 20)
    assert torch.cpu.max_memory_reserved() >= held + x.numel() * 4 * 0.9
    stats = torch.cpu.memory_stats()
    assert stats["allocated_bytes.all.current"] >= x.numel() * 4
    assert stats["reserved_bytes.all.peak"] >= stats["reserved_bytes.all.current"] > 0
    assert "MiB" in torch.cpu.memory_summary()


def test_without_a_gpu_nothing_is_held_there():
    if torch.cuda.is_available():
        return
    assert torch.cuda.device_count() == 0
    assert torch.cuda.memory_allocated() == torch.cuda.max_memory_allocated() == 0
    assert torch.cuda.memory_reserved() == 0
    assert torch.cuda.memory_stats() == {}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
