"""Sequences of different lengths: padded, packed, and back.

A `PackedSequence` holds the steps one after the other, each step with as many sequences as are still
running, longest first:  lengths 3, 2 -> data = a0 b0 a1 b1 a2, batch_sizes = 2 2 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import graphtorch as torch

from ...frontend.tensor import Tensor


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences packed step by step; see the module docstring."""

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Move or convert the data."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def cpu(self) -> PackedSequence:
        """Move the data to the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any) -> PackedSequence:
        """Move the data to a GPU."""
        return self.to("cuda")

    def double(self) -> PackedSequence:
        """Convert the data to float64."""
        return self.to(torch.float64)

    def float(self) -> PackedSequence:
        """Convert the data to float32."""
        return self.to(torch.float32)

    def half(self) -> PackedSequence:
        """Convert the data to float16."""
        return self.to(torch.float16)

    def long(self) -> PackedSequence:
        """Convert the data to int64."""
        return self.to(torch.int64)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return the inverse of a permutation given as a 1-d integer tensor."""
    if permutation is None:
        return None
    return torch.argsort(permutation)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | list[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack [L, N, *] (or [N, L, *]) given every sequence's length.

    enforce_sorted: the sequences come longest first; otherwise they are sorted and remembered.
    """
    lengths = torch.as_tensor(lengths, dtype=torch.int64)
    if batch_first:
        input = input.transpose(0, 1)
    order = None
    if not enforce_sorted:
        lengths, order = torch.sort(lengths, descending=True, stable=True)
        input = input.index_select(1, order)
    counts = lengths.tolist()
    if len(counts) != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} (batch_size={input.shape[1]})"
        )
    if any(count <= 0 for count in counts):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if any(a < b for a, b in zip(counts, counts[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass"
            " `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if"
            " you do not need ONNX exportability."
        )
    sizes = [sum(count > t for count in counts) for t in range(counts[0])]
    data = torch.cat([input[t, :size] for t, size in enumerate(sizes)])
    return PackedSequence(data, torch.tensor(sizes, dtype=torch.int64), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the padded [L, N, *] (or [N, L, *]) and the lengths."""
    sizes = sequence.batch_sizes.tolist()
    length = len(sizes)
    if total_length is not None:
        if total_length < length:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got"
                f" total_length={total_length} and max sequence length being {length}"
            )
        length = total_length
    batch, rest = sizes[0], tuple(sequence.data.shape[1:])
    steps = []
    for piece in sequence.data.split(sizes):
        missing = batch - piece.shape[0]
        if missing:
            filler = torch.full(
                (missing, *rest), padding_value, dtype=piece.dtype, device=piece.device
            )
            piece = torch.cat([piece, filler])
        steps.append(piece)
    if length > len(sizes):
        filler = torch.full(
            (batch, *rest), padding_value, dtype=sequence.data.dtype, device=sequence.data.device
        )
        steps += [filler] * (length - len(sizes))
    padded = torch.stack(steps)
    lengths = torch.tensor(
        [sum(size > i for size in sizes) for i in range(batch)], dtype=torch.int64
    )
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences [L_i, *] as [L, N, *] (or [N, L, *]), filling the shorter ones."""
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    listed = list(sequences)
    longest = max(s.shape[0] for s in listed)
    padded = []
    for s in listed:
        missing = longest - s.shape[0]
        if missing:
            filler = torch.full(
                (missing, *s.shape[1:]), padding_value, dtype=s.dtype, device=s.device
            )
            s = torch.cat([filler, s] if padding_side == "left" else [s, filler])
        padded.append(s)
    return torch.stack(padded, dim=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Cut padded sequences back to their lengths."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [
        sequence[:length]
        for sequence, length in zip(padded_sequences, lengths.tolist(), strict=True)
    ]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences [L_i, *]."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The inverse of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
