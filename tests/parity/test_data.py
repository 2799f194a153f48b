"""Loaders, samplers, splits and collation: PyTorch's batches in PyTorch's order."""

import collections

import numpy as np
import pytest

import graphtorch
import graphtorch.utils.data

torch = pytest.importorskip("torch")
pytest.importorskip("torch.utils.data")

LIBRARIES = (torch, graphtorch)


class Squares:
    """A dataset of plain Python samples."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {"x": float(i), "y": (i, str(i)), "z": np.full(2, i, np.float32)}


def plain(value):
    """A batch as comparable Python data, with types."""
    if hasattr(value, "numpy"):
        return ("tensor", str(value.dtype), value.tolist())
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    return value


def tensors(lib, n=23):
    return lib.utils.data.TensorDataset(lib.arange(n), lib.arange(n * 3.0).reshape(n, 3))


def compare(make, seed=0, epochs=2):
    """Run a loader for some epochs under both; compare batches and what is left of the stream."""
    runs = []
    for lib in LIBRARIES:
        lib.manual_seed(seed)
        loader = make(lib)
        runs.append(
            ([[plain(b) for b in loader] for _ in range(epochs)], lib.rand(3).tolist(), len(loader))
        )
    assert runs[1] == runs[0]


LOADERS = {
    "plain": lambda lib, d: lib.utils.data.DataLoader(d, batch_size=4),
    "shuffled": lambda lib, d: lib.utils.data.DataLoader(d, batch_size=4, shuffle=True),
    "drop last": lambda lib, d: lib.utils.data.DataLoader(d, 4, True, drop_last=True),
    "generator": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_size=5, shuffle=True, generator=lib.Generator().manual_seed(7)
    ),
    "replacement": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_size=5, sampler=lib.utils.data.RandomSampler(d, replacement=True, num_samples=40)
    ),
    "longer": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_size=5, sampler=lib.utils.data.RandomSampler(d, num_samples=40)
    ),
    "subset sampler": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_size=2, sampler=lib.utils.data.SubsetRandomSampler([1, 5, 7, 11, 13])
    ),
    "weighted": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_size=2, sampler=lib.utils.data.WeightedRandomSampler([1.0, 2.0, 3.0], 9)
    ),
    "batch sampler": lambda lib, d: lib.utils.data.DataLoader(
        d, batch_sampler=[[1, 2], [5], [4, 3, 2]]
    ),
    "unbatched": lambda lib, d: lib.utils.data.DataLoader(d, batch_size=None, shuffle=True),
    "collate": lambda lib, d: lib.utils.data.DataLoader(
        d, 4, shuffle=True, collate_fn=lambda batch: len(batch)
    ),
}


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("dataset", [tensors, lambda lib: Squares(23)], ids=["tensors", "objects"])
def test_loaders_agree(name, dataset):
    compare(lambda lib: LOADERS[name](lib, dataset(lib)))


@pytest.mark.parametrize("lengths", [[10, 8, 5], [0.5, 0.3, 0.2]])
def test_random_split(lengths):
    def make(lib):
        parts = lib.utils.data.random_split(tensors(lib), lengths, lib.Generator().manual_seed(3))
        assert [len(part) for part in parts] == ([10, 8, 5] if lengths[0] == 10 else [12, 7, 4])
        return lib.utils.data.DataLoader(parts[1], batch_size=3, shuffle=True)

    compare(make)
    compare(
        lambda lib: lib.utils.data.DataLoader(
            lib.utils.data.random_split(tensors(lib), lengths)[0], 4
        )
    )


def test_composed_datasets():
    for index in (0, 22, 23, 45, -1, -46):
        items = []
        for lib in LIBRARIES:
            data = lib.utils.data
            joined = data.ConcatDataset([tensors(lib), tensors(lib)])
            items.append(plain(joined[index]))
            assert len(joined) == 46
        assert items[1] == items[0]
    compare(
        lambda lib: lib.utils.data.DataLoader(
            lib.utils.data.StackDataset(a=tensors(lib), b=Squares(23)), 4
        )
    )
    compare(
        lambda lib: lib.utils.data.DataLoader(
            lib.utils.data.Subset(tensors(lib), [3, 1, 4, 1, 5]), 2
        )
    )


def stream_class(lib):
    class Stream(lib.utils.data.IterableDataset):
        def __iter__(self):
            info = lib.utils.data.get_worker_info()
            start, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(start, 11, step))

    return Stream


def test_streams():
    for options in ({"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None}):
        runs = []
        for lib in LIBRARIES:
            runs.append(
                [plain(b) for b in lib.utils.data.DataLoader(stream_class(lib)(), **options)]
            )
        assert runs[1] == runs[0]
    chained = graphtorch.utils.data.ChainDataset(
        [stream_class(graphtorch)(), stream_class(graphtorch)()]
    )
    assert list(chained) == [*range(11), *range(11)]


Point = collections.namedtuple("Point", "x y")

SAMPLES = [
    [1, 2, 3],
    [1.5, 2.5],
    [True, False],
    ["a", "b"],
    [(1, "a"), (2, "b")],
    [[1, 2.0], [3, 4.0]],
    [{"a": 1, "b": [2, 3]}, {"a": 4, "b": [5, 6]}],
    [Point(1, 2.0), Point(3, 4.0)],
    [np.arange(3), np.arange(3)],
    [np.float32(1), np.float32(2)],
    [np.int16(1), np.int16(2)],
]


@pytest.mark.parametrize("samples", SAMPLES, ids=repr)
def test_collation(samples):
    assert plain(graphtorch.utils.data.default_collate(samples)) == plain(
        torch.utils.data.default_collate(samples)
    )
    assert plain(graphtorch.utils.data.default_convert(samples)) == plain(
        torch.utils.data.default_convert(samples)
    )


def test_collation_errors():
    for samples in ([[1, 2], [3]], [object(), object()]):
        errors = []
        for lib in LIBRARIES:
            with pytest.raises(Exception) as info:
                lib.utils.data.default_collate(samples)
            errors.append((type(info.value), str(info.value)))
        assert errors[1] == errors[0]


class Noisy:
    """Samples that depend on every source of random numbers a worker has."""

    def __init__(self, lib):
        self.lib = lib

    def __len__(self):
        return 12

    def __getitem__(self, i):
        import random

        return i, self.lib.rand(2), random.random(), float(np.random.rand())


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_give_torchs_numbers(workers):
    compare(
        lambda lib: lib.utils.data.DataLoader(
            Noisy(lib), batch_size=2, shuffle=True, num_workers=workers
        ),
        epochs=1,
    )


@pytest.mark.parametrize("persistent", [False, True])
def test_worker_epochs(persistent):
    compare(
        lambda lib: lib.utils.data.DataLoader(
            Noisy(lib),
            batch_size=5,
            num_workers=2,
            persistent_workers=persistent,
            prefetch_factor=1,
        ),
        epochs=1 if persistent else 2,
    )


def test_streams_in_workers():
    runs = []
    for lib in LIBRARIES:
        runs.append(
            [
                plain(b)
                for b in lib.utils.data.DataLoader(stream_class(lib)(), batch_size=2, num_workers=3)
            ]
        )
    assert runs[1] == runs[0]
