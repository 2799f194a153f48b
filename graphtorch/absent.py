"""Names of PyTorch that are not here: why, what to use instead, and the error that says so.

    __getattr__ = absent.names_of(__name__)     at the end of a room: its missing names raise MissingNameError

`hasattr` answers False for such a name, so programs that probe take their other road.  The reasons are
a table of patterns, the most particular first; `docs/api.md` prints them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .errors import UnsupportedError


@dataclass(frozen=True)
class Reason:
    """Why a name is not here, and what serves instead (may be empty)."""

    why: str
    instead: str = ""

    def text(self) -> str:
        """One line for a table or a message."""
        return f"{self.why}; use {self.instead}" if self.instead else self.why


_ONE_PROCESS = "graphtorch trains in one process"
_NO_GPU_STREAMS = "compiled graphs are launched whole; there are no streams or graphs to program"
_NO_TORCH_COMPILER = "internals of PyTorch's compiler; graphtorch has its own"
_NO_QUANTISATION = "quantised tensors do not exist here"
_RAGGED = "ragged tensors do not exist here"
_SPARSE = Reason("tensors are dense", "a dense tensor, index_add or scatter_add")
_PRIVATE = "a private name of PyTorch's C++ library"

# pattern: why, what to use instead.  The first that matches counts.
REASONS: dict[str, Reason] = {
    # ---- several processes or machines
    "torch.distributed.tensor.*": Reason(_ONE_PROCESS, "plain tensors"),
    "torch.distributed._tensor.*": Reason(_ONE_PROCESS, "plain tensors"),
    "torch.distributed.fsdp.*": Reason(_ONE_PROCESS, "the module itself"),
    "torch.distributed._composable.*": Reason(_ONE_PROCESS, "the module itself"),
    "torch.distributed.checkpoint.*": Reason(_ONE_PROCESS, "torch.save and torch.load"),
    "torch.distributed.algorithms._checkpoint.*": Reason(_ONE_PROCESS, "torch.utils.checkpoint"),
    "torch.distributed.optim.*": Reason(_ONE_PROCESS, "torch.optim"),
    "torch.distributed.*": Reason(_ONE_PROCESS, "a process group of one process"),
    "torch.nn.parallel.distributed.*": Reason(_ONE_PROCESS, "the module itself"),
    "torch._C._distributed*": Reason(_ONE_PROCESS),
    "torch.nn.parallel.*": Reason("a model is not spread over devices", "the module itself"),
    "torch.numa.*": Reason("processes are not bound to memory nodes"),
    # ---- other hardware, and the machinery of CUDA
    "torch.cuda.*Tensor": Reason("tensors have one class", "x.to('cuda')"),
    "torch.cuda.*Graph*": Reason(_NO_GPU_STREAMS, "torch.compile"),
    "torch.cuda.graph*": Reason(_NO_GPU_STREAMS, "torch.compile"),
    "torch.cuda.*": Reason("this part of CUDA's runtime is not exposed", "torch.compile and torch.cuda.memory_allocated"),
    "torch.xpu.*": Reason("there are no Intel GPUs here", "torch.xpu.is_available() to ask"),
    "torch.mps.*": Reason("there are no Apple GPUs here", "torch.mps.is_available() to ask"),
    "torch.mtia.*": Reason("there are no such devices here"),
    "torch.Stream": Reason(_NO_GPU_STREAMS, "torch.cuda.Stream"),
    "torch.backends.*": Reason("a library that graphtorch does not use"),
    # ---- code for another machine or another library
    "torch.utils.cpp_extension.*": Reason(
        "there is no C++ library to build extensions against", "torch.autograd.Function or torch.library.custom_op"
    ),
    "torch.ops.load_library": Reason("there is no C++ library to load extensions into", "torch.library.custom_op"),
    "torch.classes.*": Reason("there is no C++ library to load classes into"),
    "torch.onnx.*": Reason("programs are not exported to ONNX", "torch.compile, or torch.save for the weights"),
    "torch.export.*": Reason("there is no serialised program format", "torch.compile, whose cache is kept on disk"),
    "torch._inductor.*": Reason(_NO_TORCH_COMPILER, "torch.compile"),
    "torch._dynamo.*": Reason(_NO_TORCH_COMPILER, "torch.compile"),
    "torch._subclasses.*": Reason(_NO_TORCH_COMPILER, "torch.compile"),
    "torch._functorch.*": Reason(_NO_TORCH_COMPILER, "torch.func"),
    "torch._higher_order_ops.*": Reason(_NO_TORCH_COMPILER, "a Python loop"),
    "torch._prims_common.*": Reason(_NO_TORCH_COMPILER),
    "torch._decomp.*": Reason(_NO_TORCH_COMPILER),
    "torch._guards.*": Reason(_NO_TORCH_COMPILER),
    "torch._ops.*": Reason(_NO_TORCH_COMPILER),
    "torch._logging.*": Reason(_NO_TORCH_COMPILER, "GRAPHTORCH_DEBUG"),
    "torch.fx.experimental.*": Reason(_NO_TORCH_COMPILER),
    "torch.SymInt": Reason("shapes are Python ints; a new shape is a new variant", "int"),
    "torch.SymFloat": Reason("scalars are Python numbers", "float"),
    "torch.SymBool": Reason("conditions are Python bools", "bool"),
    "torch.nn.attention.flex_attention.*": Reason(
        "attention with a user's score function is not generated", "torch.nn.functional.scaled_dot_product_attention"
    ),
    "torch.jit.*": Reason("TorchScript's own machinery; functions run as Python", "torch.jit.script or torch.compile"),
    "torch.package.*": Reason("code is not packed into archives", "torch.save"),
    "torch.distributions.*": Reason("this distribution is not written", "torch.distributions.Distribution as a base"),
    # ---- kinds of tensors
    "torch.nested.*": Reason(_RAGGED, "padding and a mask"),
    "torch.jagged": Reason(_RAGGED, "padding and a mask"),
    "torch.Tensor.to_padded_tensor": Reason(_RAGGED, "torch.nn.utils.rnn.pad_sequence"),
    "torch.Tensor._nested_tensor_size": Reason(_RAGGED),
    "torch.masked.*": Reason("masked tensors do not exist here", "torch.where and a mask"),
    "torch.ao.*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.quantization.*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.nn.quantized.*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.q*int*": Reason(_NO_QUANTISATION, "torch.int8 and a scale"),
    "torch.Tensor.dequantize": Reason(_NO_QUANTISATION),
    "torch.Tensor.int_repr": Reason(_NO_QUANTISATION),
    "torch.Tensor.q_*": Reason(_NO_QUANTISATION),
    "torch._scaled_mm": Reason("there are no products of 8-bit floats", "torch.mm after a cast"),
    "torch.nn.functional.grouped_mm": Reason("there is no product over ragged groups", "a loop of torch.mm"),
    # ---- dropped by PyTorch itself
    "torch.Tensor.solve": Reason("removed by PyTorch: the name only raises there", "torch.linalg.solve"),
    "torch.Tensor.lstsq": Reason("removed by PyTorch: the name only raises there", "torch.linalg.lstsq"),
    "torch.Tensor.eig": Reason("removed by PyTorch: the name only raises there", "torch.linalg.eig"),
    "torch.Tensor.symeig": Reason("removed by PyTorch: the name only raises there", "torch.linalg.eigh"),
    "torch.Tensor.reinforce": Reason("removed by PyTorch: the name only raises there", "torch.distributions"),
    "torch.Tensor.index": Reason("a method for PyTorch's first-class dims", "x[...]"),
    # ---- sparse
    **{
        f"torch.{name}": _SPARSE
        for name in (
            "sparse.* sparse_* Tensor.values Tensor._values Tensor.indices Tensor._indices Tensor.*_indices"
            " Tensor.sparse_* Tensor.to_sparse* Tensor._to_sparse Tensor._nnz Tensor.is_coalesced Tensor._coalesced_"
            " Tensor._dim? Tensor.resize_as_sparse_ Tensor.smm Tensor.sspaddmm *_indices_copy indices_copy values_copy"
            " smm spmm dsmm hsmm hspmm saddmm sspaddmm cuda.sparse.*"
        ).split()
    },
    "torch.Tensor.ipu": Reason("there are no such devices here"),
    "torch.Tensor.mtia": Reason("there are no such devices here"),
    "torch.Tensor.xpu": Reason("there are no Intel GPUs here"),
    "torch.Tensor.to_mkldnn": Reason("a layout of a library that graphtorch does not use", "the tensor itself"),
    "torch.Tensor.chalf": Reason("there are no complex numbers of two float16", "x.cfloat()"),
    "torch.float8_e8m0fnu": Reason("a dtype of scales alone", "torch.float8_e4m3fn"),
    "torch.float4_*": Reason("a packed dtype", "torch.float8_e4m3fn"),
    "torch.uint[1-7]": Reason("dtypes of less than a byte have no values in PyTorch either", "torch.uint8"),
    "torch.int[1-7]": Reason("dtypes of less than a byte have no values in PyTorch either", "torch.int8"),
    "torch.bits*": Reason("dtypes of bits alone", "torch.uint8"),
    "torch.mkldnn_*": Reason("a library that graphtorch does not use", "the function without its prefix"),
    "torch.miopen_*": Reason("a library that graphtorch does not use", "the function without its prefix"),
    "torch.cudnn_*": Reason("a library that graphtorch does not use", "the function without its prefix"),
    "torch.fbgemm_*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.quantize*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.fake_quantize_*": Reason(_NO_QUANTISATION, "bfloat16 or float16"),
    "torch.dequantize": Reason(_NO_QUANTISATION),
    "torch.per_*": Reason(_NO_QUANTISATION),
    "torch.utils.flop_counter.*": Reason("operations are not counted", "torch.profiler.profile"),
    "torch.utils.tensorboard.*": Reason("needs the tensorboard or tensorboardX package", "pip install tensorboardX"),
    "torch.torch.*": Reason("an accident of one version's imports", "torch"),
    "torch._C.*": Reason(_PRIVATE),
}  # fmt: skip


def reason(name: str) -> Reason | None:
    """Why `name` ("torch.x.y") is not here, if anybody wrote it down."""
    for pattern, found in REASONS.items():
        if fnmatchcase(name, pattern) or (pattern.endswith(".*") and name == pattern[:-2]):
            return found
    return None


class MissingNameError(UnsupportedError, AttributeError):
    """A name of PyTorch that is not here; `hasattr` and `getattr` with a default see an AttributeError."""

    def __init__(self, name: str, known: Callable[[], list[str]]):
        super().__init__(name)
        self.name = name.rpartition(".")[2]
        self._full, self._known = name, known

    def __str__(self) -> str:
        known = reason(self._full)
        if known is not None:
            return f"graphtorch has no {self._full}: {known.text()}"
        from difflib import get_close_matches

        room = self._full.rpartition(".")[0]
        near = get_close_matches(self.name, self._known(), 1, 0.6)
        hint = (
            f"; the nearest name is {room}.{near[0]}" if near else f"; dir({room}) lists what works"
        )
        return f"graphtorch has no {self._full}{hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self._full,)


def _rebuilt(name: str) -> MissingNameError:
    return MissingNameError(name, list)


def error(module: str, name: str) -> AttributeError:
    """The error for `module.name`, where `module` is a module of this package."""
    full = "torch" + module.removeprefix("graphtorch")
    if name.startswith("__"):
        return AttributeError(f"module '{full}' has no attribute '{name}'")
    return MissingNameError(f"{full}.{name}", lambda: dir(sys.modules[module]))


def names_of(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for a module whose missing names should say so."""

    def missing(name: str) -> Any:
        raise error(module, name)

    return missing
