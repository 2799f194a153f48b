"""Copies a convolution's weights turned round, for the input gradient.

    destination[group][c][o][t]  =  weight[group][o][c][first + step * (taps - 1 - t)]

with three tap indices.  One work item writes all (o, t) of CHANNELS channels c of a group, reading the
weights of these channels side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.types import DType
from ..llvm.target import Target
from .emit import Function, Module, Value
from .matmul import ABI, Names, Params
from .micro import Tile, register_tile

CHANNELS = 16

AXES = "zyx"
# Strides in bytes: source by group, o, c and the taps of each axis (negative: turned).
PARAMS = tuple(
    "outputs channels blocks kz ky kx to offset by_group by_output by_channel by_z by_y by_x".split()
)
NAMES = Names(PARAMS, ())


@dataclass(frozen=True, slots=True)
class TurnKernel:
    """Source of the copy; sizes come as parameters."""

    dtype: DType
    scratch_bytes: int = 0

    @property
    def name(self) -> str:
        return "turn_weights"

    @property
    def key(self) -> str:
        return f"turn {self.dtype.short}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        size = tile.size
        with module.function(symbol, ABI, internal=False) as f:
            p = Params(f, NAMES)
            source = f.at(f.load("ptr", f["buffers"], 8), p["offset"], 1)
            result = f.at(f.load("ptr", f.at(f["buffers"], 1, 8), 8), p["to"], 1)
            outputs, channels = p["outputs"], p["channels"]
            sizes = [p["k" + a] for a in AXES]
            steps = [p["by_" + a] for a in AXES]
            taps = f.mul(f.mul(sizes[0], sizes[1]), sizes[2])
            with f.loop(f["begin"], f["end"]) as item:
                group = f.div(item, p["blocks"])
                first = f.mul(f.rem(item, p["blocks"]), CHANNELS)
                stop = f.min(f.add(first, CHANNELS), channels)
                with f.loop(0, outputs) as o, f.loop(first, stop) as c:
                    at = f.add(f.mul(group, p["by_group"]), f.mul(o, p["by_output"]))
                    plane = f.at(source, f.add(at, f.mul(c, p["by_channel"])), 1)
                    row = f.add(f.mul(f.add(f.mul(group, channels), c), outputs), o)
                    to = f.at(result, f.mul(row, taps), size)
                    with f.loop(0, sizes[0]) as z, f.loop(0, sizes[1]) as y:
                        place = f.add(f.mul(z, steps[0]), f.mul(y, steps[1]))
                        line = f.mul(f.add(f.mul(z, sizes[1]), y), sizes[2])
                        _copy(
                            f, tile, f.at(plane, place, 1), steps[2], f.at(to, line, size), sizes[2]
                        )
        return module.text()


def _copy(f: Function, tile: Tile, source: str, step: str, to: str, count: Value) -> None:
    """to[i] = source[i * step bytes] for i < count; backwards (step -1 element) in vectors."""
    lanes, size = tile.lanes, tile.size

    def backwards(i: Value) -> None:
        first = f.at(source, f.sub(f.sub(0, i), lanes - 1), size)
        value = f.load(tile.vector, first, size)
        turned = f.shuffle(tile.element, lanes, value, "poison", range(lanes - 1, -1, -1))
        f.store(tile.vector, turned, f.at(to, i, size), size)

    wide = f.both(f.compare("eq", step, -size), f.compare("sge", count, lanes))
    with f.otherwise(wide) as else_:
        last = f.sub(count, lanes)
        with f.loop(0, last, lanes) as i:
            backwards(i)
        backwards(last)  # may overlap the one before
        else_()
        with f.loop(0, count) as i:
            value = f.load(tile.element, f.at(source, f.mul(i, step), 1), size)
            f.store(tile.element, value, f.at(to, i, size), size)
