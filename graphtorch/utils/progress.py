"""A progress bar: tqdm's where it is installed, otherwise one that only counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class Silent:
    """tqdm's calls without the bar."""

    def __init__(self, iterable: Iterable | None = None, *args: Any, total: Any = None, **_: Any):
        self.iterable = iterable
        self.total = total
        self.n = 0

    def __iter__(self) -> Iterator:
        for item in self.iterable or ():
            yield item
            self.n += 1

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def update(self, n: int = 1) -> None:
        """Count."""
        self.n += n

    def close(self) -> None:
        """Nothing to close."""

    def _accepted(self, *args: Any, **kwargs: Any) -> None:
        pass

    set_description = set_postfix = refresh = _accepted


try:
    from tqdm import tqdm
except ImportError:
    tqdm = Silent
