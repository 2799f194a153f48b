"""A device for the CUDA executable that simulates."""

from __future__ import annotations

import ctypes

import numpy as np

from tests.codegen.cuda.simulator import module


class SimulatedDevice:
    """Memory is NumPy's; `reachable` says whether kernels may use the caller's arrays in place."""

    def __init__(self, order: int = 0, reachable: bool = True):
        self.order, self.reachable = order, reachable
        self.launched: list[str] = []

    def memory(self, nbytes):
        return np.full(nbytes, 0xFF, np.uint8)

    def holds(self, array):
        return self.reachable

    def load(self, text, names):
        kernels = module(text, *names)

        def launcher(name):
            def launch(grid, threads, arguments):
                self.launched.append(name)
                kernels[name].raw(grid, threads, arguments, self.order)

            return launch

        return {name: launcher(name) for name in names}

    def copy(self, to, source, nbytes):
        ctypes.memmove(to, source, nbytes)

    def synchronize(self):
        pass
