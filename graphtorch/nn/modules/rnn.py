"""Recurrent layers: plain loops over time, one cell per step.

    RNN    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)      (or relu)
    LSTM   i f g o = split(W_ih x + b_ih + W_hh h + b_hh)
           c' = sigmoid(f) c + sigmoid(i) tanh(g)        h' = sigmoid(o) tanh(c')
    GRU    r z = sigmoid of the first two thirds         n = tanh(W_in x + b_in + r (W_hn h + b_hn))
           h' = n + z (h - n)

The input's part of the sums is one matrix product for all steps.
"""

from __future__ import annotations

import math
import numbers
import warnings
from typing import Any

import graphtorch as torch

from ...frontend import autocasting
from ...frontend.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from ..utils.rnn import PackedSequence

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def step(
    mode: str, x: Tensor, h: Tensor, w_hh: Tensor, b_hh: Tensor | None, c: Tensor | None
) -> tuple[Tensor, Any]:
    """One step given the input's part `x` of the sums; returns (h', c')."""
    recurrent = F.linear(h, w_hh, b_hh)
    if mode == "RNN_TANH":
        return torch.tanh(x + recurrent), None
    if mode == "RNN_RELU":
        return F.relu(x + recurrent), None
    if mode == "LSTM":
        i, f, g, o = (x + recurrent).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    x_r, x_z, x_n = x.chunk(3, dim=-1)
    h_r, h_z, h_n = recurrent.chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return n + z * (h - n), None


class RNNBase(Module):
    """Stacked, possibly bidirectional recurrent layers over [L, N, C] (or [N, L, C], or [L, C])."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if (
            isinstance(dropout, bool)
            or not isinstance(dropout, numbers.Number)
            or not 0 <= dropout <= 1
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects"
                f" num_layers greater than 1, but got dropout={dropout} and num_layers={num_layers}",
                stacklevel=3,
            )
        for name, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")
        for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(value, int):
                raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
            if value <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        gates = GATES[mode] * hidden_size
        out_size = proj_size or hidden_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            in_size = input_size if layer == 0 else out_size * (2 if bidirectional else 1)
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes = {"weight_ih": (gates, in_size), "weight_hh": (gates, out_size)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = []
                for kind, shape in shapes.items():
                    names.append(f"{kind}_l{layer}{suffix}")
                    setattr(
                        self, names[-1], Parameter(torch.empty(shape, device=device, dtype=dtype))
                    )
                self._all_weights.append(names)
        self.reset_parameters()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [weight for weights in self.all_weights for weight in weights]

    def __getstate__(self) -> dict:
        """What a pickle takes along: also the two lists that PyTorch keeps beside the parameters."""
        names = [name for names in self._all_weights for name in names]
        return {
            **super().__getstate__(),
            "_flat_weights_names": names,
            "_flat_weights": self._flat_weights,
        }

    def __setstate__(self, state: dict) -> None:
        ours = {key: value for key, value in state.items() if not key.startswith("_flat_weight")}
        super().__setstate__({"proj_size": 0, **ours})

    def flatten_parameters(self) -> None:
        """Nothing to do here: PyTorch packs weights for cuDNN."""

    def reset_parameters(self) -> None:
        """Uniform in ±1/sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size != 0:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if self.batch_first is not False:
            parts.append(f"batch_first={self.batch_first}")
        if self.dropout != 0:
            parts.append(f"dropout={self.dropout}")
        if self.bidirectional is not False:
            parts.append(f"bidirectional={self.bidirectional}")
        return ", ".join(parts)

    # ---- forward

    def _check(self, input: Tensor, packed: bool) -> None:
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype and autocasting.state.now is None:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype})."
                f" Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        if input.dim() not in ((2,) if packed else (2, 3)):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _check_hidden(self, hidden: Tensor, batch: int, size: int, name: str) -> None:
        wanted = (len(self._all_weights), batch, size)
        if tuple(hidden.shape) != wanted:
            raise RuntimeError(f"Expected {name} size {wanted}, got {list(hidden.shape)}")

    def _run(
        self, x: Tensor, sizes: list[int], h0: Tensor, c0: Tensor | None
    ) -> tuple[Tensor, Tensor, Any]:
        """Run all layers over steps packed one after the other; step t has sizes[t] sequences."""
        last_h, last_c = [], []
        directions = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                index = layer * directions + direction
                out, h, c = self._run_one(
                    x,
                    sizes,
                    h0[index],
                    None if c0 is None else c0[index],
                    self.all_weights[index],
                    direction == 1,
                )
                outputs.append(out)
                last_h.append(h)
                last_c.append(c)
            x = torch.cat(outputs, dim=-1) if directions == 2 else outputs[0]
            if self.dropout and self.training and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, True)
        return x, torch.stack(last_h), None if c0 is None else torch.stack(last_c)

    def _run_one(
        self,
        x: Tensor,
        sizes: list[int],
        h: Tensor,
        c: Tensor | None,
        weights: list[Parameter],
        reverse: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """One layer in one direction."""
        w_ih, w_hh, *rest = weights
        b_ih, b_hh = rest[:2] if self.bias else (None, None)
        w_hr = rest[-1] if self.proj_size else None
        steps: Any = F.linear(x, w_ih, b_ih).split(sizes)
        outputs: list[Any] = [None] * len(sizes)
        order = range(len(sizes))
        all_h, all_c = h, c
        done_h: list[Tensor] = []  # of sequences that have ended, longest last
        done_c: list[Tensor] = []
        h = h[: sizes[-1 if reverse else 0]]
        c = None if c is None else c[: sizes[-1 if reverse else 0]]
        for t in reversed(order) if reverse else order:
            size = sizes[t]
            if size > len(h):  # backwards, sequences begin
                h = torch.cat([h, all_h[len(h) : size]])
                c = None if c is None else torch.cat([c, all_c[len(c) : size]])
            elif size < len(h):  # forwards, sequences end
                done_h.append(h[size:])
                h = h[:size]
                if c is not None:
                    done_c.append(c[size:])
                    c = c[:size]
            h, c = step(self.mode, steps[t], h, w_hh, b_hh, c)
            if w_hr is not None:
                h = F.linear(h, w_hr)
            outputs[t] = h
        if done_h:
            h = torch.cat([h, *reversed(done_h)])
            c = None if c is None else torch.cat([c, *reversed(done_c)])
        return torch.cat(outputs), h, c

    def _forward(
        self, input: Any, h0: Tensor | None, c0: Tensor | None
    ) -> tuple[Any, Tensor, Tensor | None]:
        packed = isinstance(input, PackedSequence)
        x = input.data if packed else input
        self._check(x, packed)
        batched = packed or x.dim() == 3
        if packed:
            sizes = [int(size) for size in input.batch_sizes]
        else:
            if not batched:
                x = x.unsqueeze(1)
                h0 = None if h0 is None else h0.unsqueeze(1)
                c0 = None if c0 is None else c0.unsqueeze(1)
            elif self.batch_first:
                x = x.transpose(0, 1)
            length, batch = x.shape[:2]
            sizes = [batch] * length
            x = x.reshape(length * batch, -1)
        batch = sizes[0]
        out_size = self.proj_size or self.hidden_size
        count = len(self._all_weights)
        if h0 is None:
            h0 = torch.zeros(count, batch, out_size, dtype=x.dtype, device=x.device)
        if self.mode == "LSTM" and c0 is None:
            c0 = torch.zeros(count, batch, self.hidden_size, dtype=x.dtype, device=x.device)
        self._check_hidden(h0, batch, out_size, "hidden[0]" if self.mode == "LSTM" else "hidden")
        if c0 is not None:
            self._check_hidden(c0, batch, self.hidden_size, "hidden[1]")
        if packed and input.sorted_indices is not None:
            h0 = h0.index_select(1, input.sorted_indices)
            c0 = None if c0 is None else c0.index_select(1, input.sorted_indices)
        out, h, c = self._run(x, sizes, h0, c0)
        if packed:
            back = input.unsorted_indices
            if back is not None:
                h = h.index_select(1, back)
                c = None if c is None else c.index_select(1, back)
            return PackedSequence(out, input.batch_sizes, input.sorted_indices, back), h, c
        out = out.reshape(length, batch, -1)
        if not batched:
            return out.squeeze(1), h.squeeze(1), None if c is None else c.squeeze(1)
        return out.transpose(0, 1) if self.batch_first else out, h, c

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        output, h, _ = self._forward(input, hx, None)
        return output, h


class RNN(RNNBase):
    """Elman network; `nonlinearity` is "tanh" or "relu"."""

    def __init__(self, *args: Any, **kwargs: Any):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """Gated recurrent units (Cho et al., 2014)."""

    def __init__(self, *args: Any, **kwargs: Any):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); the state is (h, c)."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("LSTM", *args, **kwargs)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        h0, c0 = (None, None) if hx is None else hx
        output, h, c = self._forward(input, h0, c0)
        return output, (h, c)  # type: ignore[return-value]
