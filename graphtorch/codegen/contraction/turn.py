"""Copies a convolution's weights turned round, for the input gradient.

    destination[group][c][o][t]  =  weight[group][o][c][first + step * (taps - 1 - t)]

with three tap indices.  One work item writes all (o, t) of one (group, c).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.types import DType
from ..llvm.target import Target
from .emit import Module
from .matmul import ABI, Names, Params

AXES = "zyx"
# Strides in bytes: source by group, o, c and the taps of each axis (negative: turned).
PARAMS = tuple(
    "outputs channels kz ky kx to offset by_group by_output by_channel by_z by_y by_x".split()
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
        return f"turn {self.dtype.itemsize}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        type, size = f"i{8 * self.dtype.itemsize}", self.dtype.itemsize
        with module.function(symbol, ABI, internal=False) as f:
            p = Params(f, NAMES)
            source = f.at(f.load("ptr", f["buffers"], 8), p["offset"], 1)
            result = f.at(f.load("ptr", f.at(f["buffers"], 1, 8), 8), p["to"], 1)
            outputs, channels = p["outputs"], p["channels"]
            sizes = [p["k" + a] for a in AXES]
            steps = [p["by_" + a] for a in AXES]
            taps = f.mul(f.mul(sizes[0], sizes[1]), sizes[2])
            with f.loop(f["begin"], f["end"]) as item:
                group = f.div(item, channels)
                at = f.add(
                    f.mul(group, p["by_group"]),
                    f.mul(f.sub(item, f.mul(group, channels)), p["by_channel"]),
                )
                to = f.variable("ptr", "null")
                f.set(to, f.at(result, f.mul(item, f.mul(outputs, taps)), size))
                with f.loop(0, outputs) as o:
                    plane = f.at(source, f.add(at, f.mul(o, p["by_output"])), 1)
                    with (
                        f.loop(0, sizes[0]) as z,
                        f.loop(0, sizes[1]) as y,
                        f.loop(0, sizes[2]) as x,
                    ):
                        place = f.add(
                            f.add(f.mul(z, steps[0]), f.mul(y, steps[1])), f.mul(x, steps[2])
                        )
                        value = f.load(type, f.at(plane, place, 1), size)
                        here = f.get(to)
                        f.store(type, value, here, size)
                        f.set(to, f.at(here, 1, size))
        return module.text()
