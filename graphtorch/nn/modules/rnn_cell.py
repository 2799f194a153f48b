"""Single steps of recurrent layers; the formulas stand in `rnn.py`."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .rnn import GATES, step


class RNNCellBase(Module):
    """One step of one recurrent layer."""

    _mode: str  # a key of GATES

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = GATES[mode] * hidden_size

        def parameter(*shape: int) -> Parameter:
            return Parameter(torch.empty(shape, device=device, dtype=dtype))

        self.weight_ih = parameter(gates, input_size)
        self.weight_hh = parameter(gates, hidden_size)
        self.register_parameter("bias_ih", parameter(gates) if bias else None)
        self.register_parameter("bias_hh", parameter(gates) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in ±1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        if nonlinearity != "tanh":
            parts.append(f"nonlinearity={nonlinearity}")
        return ", ".join(parts)

    def _check(self, input: Tensor, hidden: Tensor | None, name: str) -> None:
        """Raise for an input or hidden state of the wrong size."""
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}"
            )
        if hidden is None:
            return
        if hidden.dim() not in (1, 2):
            what = "hidden" if name == "hx" else name
            raise ValueError(
                f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {hidden.dim()}D instead"
            )
        number = 1 if name == "hx[1]" else 0
        if hidden.shape[-1] != self.hidden_size:
            raise RuntimeError(
                f"hidden{number} has inconsistent hidden_size: got {hidden.shape[-1]}, expected"
                f" {self.hidden_size}"
            )
        if input.dim() == hidden.dim() == 2 and input.shape[0] != hidden.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{number} batch size {hidden.shape[0]}"
            )

    def _cell(self, input: Tensor, h: Tensor | None, c: Tensor | None) -> tuple[Tensor, Any]:
        if input.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.dim()}D instead"
            )
        self._check(input, h, "hx" if c is None else "hx[0]")
        self._check(input, c, "hx[1]")
        shape = (*input.shape[:-1], self.hidden_size)
        if h is None:
            h = torch.zeros(shape, dtype=input.dtype, device=input.device)
            c = (
                torch.zeros(shape, dtype=input.dtype, device=input.device)
                if self._mode == "LSTM"
                else None
            )
        return step(
            self._mode,
            F.linear(input, self.weight_ih, self.bias_ih),
            h,
            self.weight_hh,
            self.bias_hh,
            c,
        )


class RNNCell(RNNCellBase):
    """One step of `RNN`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ):
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, bias, device, dtype
        )
        self.nonlinearity = nonlinearity

    @property
    def _mode(self) -> str:  # type: ignore[override]
        return f"RNN_{self.nonlinearity.upper()}"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._cell(input, hx, None)[0]


class GRUCell(RNNCellBase):
    """One step of `GRU`."""

    _mode = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__("GRU", input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._cell(input, hx, None)[0]


class LSTMCell(RNNCellBase):
    """One step of `LSTM`; the state is (h, c)."""

    _mode = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__("LSTM", input_size, hidden_size, bias, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        return self._cell(input, *((None, None) if hx is None else hx))
