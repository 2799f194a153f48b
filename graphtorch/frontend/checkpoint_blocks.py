"""Which stretches of memory a checkpoint keeps, and which tensor lies where in them.

Tensors that share a storage, or overlap, share a block; a block reaches from the first to the last
byte its tensors touch, so that a view does not drag all of its base along.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.types import DType
from .tensor import Tensor
from .typed_storage import TypedStorage
from .untyped_storage import (
    STORAGE_NAMES,
    UntypedStorage,
    bytes_between,
    span,
)


class Piece:
    """The memory of one tensor or storage."""

    __slots__ = ("array", "dtype", "home", "record", "start", "stop")

    def __init__(self, array: np.ndarray, dtype: DType | None, record: Any, home: tuple[int, int]):
        self.start, self.stop = span(array)
        self.array, self.dtype, self.record, self.home = array, dtype, record, home


def piece_of(value: Any) -> Piece:
    """The memory of a tensor (which PyTorch can describe) or of a storage."""
    if isinstance(value, Tensor):
        array, dtype = value._array, value.dtype
        memory = UntypedStorage.of(value)._memory
        return Piece(array, dtype if dtype in STORAGE_NAMES else None, value._storage, span(memory))
    storage = value.untyped()
    dtype = value.dtype if isinstance(value, TypedStorage) else None
    return Piece(storage._memory, dtype, storage._record, span(storage._memory))


def describable(array: np.ndarray) -> bool:
    """Whether PyTorch's strides can say where the elements are: whole and not negative."""
    return all(step >= 0 and step % array.itemsize == 0 for step in array.strides)


class Block:
    """A stretch of memory that is written as one storage."""

    def __init__(self, piece: Piece):
        self.start, self.stop, self.dtype = piece.start, piece.stop, piece.dtype
        self.array = piece.array
        self.record, self.home = piece.record, piece.home

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return 1 if self.dtype is None else self.dtype.itemsize

    def takes(self, piece: Piece) -> bool:
        """Whether a piece that starts later belongs to this block; then the block grows over it."""
        overlaps = piece.start < self.stop
        together = overlaps or (
            piece.record is self.record
            and self.home[0] <= piece.start
            and piece.stop <= self.home[1]
        )
        if not together or piece.stop == piece.start or self.stop == self.start:
            return False
        if piece.dtype is not self.dtype:
            if overlaps:
                raise RuntimeError(
                    "Cannot save multiple tensors or storages that view the same data as different types"
                )
            return False
        if (piece.start - self.start) % self.itemsize:
            return False
        if piece.stop > self.stop:
            self.stop = piece.stop
        return True


class Blocks:
    """The blocks of a checkpoint; a storage's number is its block's place in the list."""

    def __init__(self, pieces: list[Piece]):
        self._alive = pieces  # their addresses stay theirs
        self.blocks: list[Block] = []
        self.used: set[int] = set()
        self._places: dict[tuple[int, int, Any], tuple[int, int]] = {}
        for piece in sorted(pieces, key=lambda piece: (piece.start, -piece.stop)):
            if not self.blocks or not self.blocks[-1].takes(piece):
                self.blocks.append(Block(piece))
            block = self.blocks[-1]
            offset = (piece.start - block.start) // block.itemsize
            self._places[piece.start, piece.stop, piece.dtype] = len(self.blocks) - 1, offset

    def place(self, piece: Piece, whole: bool = False) -> tuple[int, int]:
        """Number of the storage that holds a piece, and the piece's offset in it, in elements.

        whole: the storage must be just this piece.
        """
        found = self._places.get((piece.start, piece.stop, piece.dtype))
        if found is not None and whole:
            block = self.blocks[found[0]]
            if (block.start, block.stop) != (piece.start, piece.stop):
                found = None
        if found is None:  # a copy made while pickling, or a part of a storage
            self._alive.append(piece)
            self.blocks.append(Block(piece))
            found = len(self.blocks) - 1, 0
            self._places.setdefault((piece.start, piece.stop, piece.dtype), found)
        self.used.add(found[0])
        return found

    def data(self, number: int) -> np.ndarray:
        """The bytes of a storage."""
        block = self.blocks[number]
        return bytes_between(block.array, block.start, block.stop)


class Gathering:
    """Stands in for `Blocks` while the pieces are collected."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []

    def place(self, piece: Piece, whole: bool = False) -> tuple[int, int]:
        """Remember the piece."""
        self.pieces.append(piece)
        return 0, 0
