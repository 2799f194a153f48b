"""Data loading by itself; orders are compared with PyTorch's in tests/parity."""

import gc
import os
import time

import numpy as np
import pytest

import graphtorch as torch
from graphtorch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    get_worker_info,
    random_split,
)


def pairs(n=10):
    return TensorDataset(torch.arange(n), torch.arange(n * 2.0).reshape(n, 2))


def test_batches_of_tensors():
    batches = list(DataLoader(pairs(), batch_size=4))
    assert [b[0].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert batches[2][1].tolist() == [[16.0, 17.0], [18.0, 19.0]]
    assert batches[0][0].dtype == torch.int64 and type(batches[0]) is list


def test_batches_do_not_share_memory_with_the_dataset():
    data = pairs()
    batch = next(iter(DataLoader(data, batch_size=10)))
    batch[1].zero_()
    assert data.tensors[1].sum().item() == 190.0


def test_fast_rows_and_plain_samples_agree():
    class Slow(Dataset):
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __getitem__(self, i):
            return self.data[i]

    subset = Subset(pairs(), [7, 3, 5, 1, 9])
    for data in (pairs(), subset, ConcatDataset([pairs(), pairs()])):
        for options in ({"batch_size": 3}, {"batch_size": 3, "shuffle": True, "drop_last": True}):
            runs = []
            for version in (data, Slow(data)):
                torch.manual_seed(0)
                runs.append([[t.tolist() for t in b] for b in DataLoader(version, **options)])
            assert runs[0] == runs[1]


def test_lengths():
    assert len(DataLoader(pairs(), batch_size=4)) == 3
    assert len(DataLoader(pairs(), batch_size=4, drop_last=True)) == 2
    assert len(DataLoader(pairs(), batch_size=None)) == 10
    assert len(iter(DataLoader(pairs(), batch_size=4))) == 3


def test_every_sample_once_and_another_order_each_epoch():
    loader = DataLoader(pairs(50), batch_size=7, shuffle=True)
    first, second = ([i for b in loader for i in b[0].tolist()] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50)) and first != second


def test_tensors_that_require_grad_keep_their_history():
    x = torch.ones(4, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=2)))
    batch.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_splits_cover_everything():
    parts = random_split(pairs(), [6, 4], generator=torch.Generator().manual_seed(0))
    assert sorted(parts[0].indices + parts[1].indices) == list(range(10))
    with pytest.raises(ValueError, match="does not equal the length"):
        random_split(pairs(), [6, 5])


def test_distributed_samplers_share_out():
    shares = [list(DistributedSampler(pairs(), 3, rank, shuffle=False)) for rank in range(3)]
    assert shares == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    shuffled = DistributedSampler(pairs(), 2, 0)
    first = list(shuffled)
    shuffled.set_epoch(1)
    assert list(shuffled) != first


ERRORS = {
    "DataLoader(data, sampler=[0], shuffle=True)": "mutually exclusive with shuffle",
    "DataLoader(data, batch_sampler=[[0]], batch_size=2)": "mutually exclusive with batch_size",
    "DataLoader(data, batch_size=None, drop_last=True)": "disables auto-batching",
    "DataLoader(data, num_workers=-1)": "non-negative",
    "DataLoader(data, prefetch_factor=2)": "prefetch_factor option could only be specified",
    "DataLoader(stream, shuffle=True)": "expected unspecified shuffle option",
    "BatchSampler([1], 0, False)": "positive integer value, but got batch_size=0",
    "RandomSampler([], num_samples=0)": "positive integer value, but got num_samples=0",
}


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call):
    names = {"data": pairs(), "stream": Stream(), **globals()}
    with pytest.raises(ValueError, match=ERRORS[call]):
        eval(call, names)
    loader = DataLoader(pairs())
    with pytest.raises(ValueError, match="should not be set after DataLoader is initialized"):
        loader.batch_size = 3


def test_loops_inside_compiled_functions_are_left_to_eager():
    loader = DataLoader(pairs(), batch_size=10, shuffle=True)

    @torch.compile
    def first(x):
        for batch, _ in loader:
            return x + batch[0]

    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="DataLoader"):
        seen = [first(torch.tensor(0)).item() for _ in range(6)]
    assert len(set(seen)) > 1


# ---- workers


class Slow(Dataset):
    """Samples from which one can see where they were made."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        time.sleep(0.002 * (8 - i))
        return i, os.getpid(), np.full((300, 100), i, np.float32)


def test_workers_keep_the_order_and_use_shared_memory():
    batches = list(DataLoader(Slow(), batch_size=2, num_workers=2))
    assert [b[0].tolist() for b in batches] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    pids = {p for b in batches for p in b[1].tolist()}
    assert len(pids) == 2 and os.getpid() not in pids
    assert [float(b[2][1, 5, 5]) for b in batches] == [1.0, 3.0, 5.0, 7.0]
    batches[0][2].zero_()  # the arrays are writable and live on


class Failing(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        if i == 2:
            raise KeyError("no such sample")
        return i


def test_errors_in_workers_come_back_with_their_traceback():
    with pytest.raises(
        KeyError, match=r"(?s)Caught KeyError in DataLoader worker process 0.*no such sample"
    ):
        list(DataLoader(Failing(), num_workers=2))


class Dying(Failing):
    def __getitem__(self, i):
        if i == 2:
            os._exit(3)
        return i


def test_a_dead_worker_is_an_error_not_a_hang():
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(DataLoader(Dying(), num_workers=1))


def test_timeouts():
    class Stuck(Failing):
        def __getitem__(self, i):
            time.sleep(30)

    with pytest.raises(RuntimeError, match="timed out after 0.2 seconds"):
        list(DataLoader(Stuck(), num_workers=1, timeout=0.2))


def test_worker_init_and_info():
    class Info(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            info = get_worker_info()
            return info.id, info.num_workers, info.dataset.mark

    data = Info()

    def init(worker):
        get_worker_info().dataset.mark = worker * 10

    assert get_worker_info() is None
    got = [tuple(int(v) for v in b) for b in DataLoader(data, num_workers=2, worker_init_fn=init)]
    assert got == [(0, 2, 0), (1, 2, 10), (0, 2, 0), (1, 2, 10)]


def test_an_abandoned_epoch_of_persistent_workers():
    loader = DataLoader(Slow(), batch_size=2, num_workers=2, persistent_workers=True)
    next(iter(loader))
    assert [b[0].tolist() for b in loader] == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_a_sampler_of_batches():
    assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert len(RandomSampler(range(5), num_samples=12)) == 12
    assert len(list(RandomSampler(range(5), num_samples=12))) == 12


class Wide(Dataset):
    def __len__(self):
        return 48

    def __getitem__(self, i):
        return torch.full((50000,), float(i))


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no shared memory to look into")
@pytest.mark.parametrize("persistent", [False, True])
def test_an_abandoned_epoch_leaves_nothing_in_shared_memory(persistent):
    loader = DataLoader(
        Wide(), batch_size=4, num_workers=2, prefetch_factor=3, persistent_workers=persistent
    )
    for _ in range(2):
        for batch in loader:
            assert batch.shape == (4, 50000)
            break
    processes = [] if loader._workers is None else list(loader._workers.processes)
    del loader, batch
    gc.collect()
    assert not any(process.is_alive() for process in processes)
    assert not [name for name in os.listdir("/dev/shm") if f"graphtorch-{os.getpid()}-" in name]


def repeat_first(samples):
    return [str(samples[0])] * 200000


def test_large_tasks_and_large_results_do_not_wait_for_each_other():
    batches = [list(range(48)) * 800 for _ in range(5)]
    dataset = TensorDataset(torch.arange(48))
    loader = DataLoader(
        dataset, batch_sampler=batches, num_workers=1, prefetch_factor=4, collate_fn=repeat_first
    )
    assert [len(batch) for batch in loader] == [200000] * 5


def test_pytorchs_places():
    from graphtorch.utils.data._utils.collate import default_collate
    from graphtorch.utils.data.dataloader import get_worker_info

    assert default_collate([torch.ones(1), torch.zeros(1)]).tolist() == [[1.0], [0.0]]
    assert get_worker_info() is None
