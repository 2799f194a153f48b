"""Where PyTorch keeps a class or function of ours, and the other way round, for pickles of whole objects.

    torch_name(obj)      ("torch.nn.modules.linear", "Linear") for graphtorch's Linear; None if it is not ours
    find(module, name)   graphtorch's object for PyTorch's name; raises AttributeError naming it

A pickle names a class by its module's path, and ours are not all in a file of the same name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_PACKAGE = "graphtorch"
# classes whose file here has another name than PyTorch's
_ELSEWHERE: dict[str, str] = {
    "nn.modules.module": "Module",
    "nn.modules.activation": "MultiheadAttention",
    "nn.modules.channelshuffle": "ChannelShuffle",
    "nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "nn.modules.fold": "Fold Unfold",
    "nn.modules.upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    "nn.modules.rnn": "RNNCellBase RNNCell LSTMCell GRUCell",
    "nn.modules.instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d LazyInstanceNorm2d"
    " LazyInstanceNorm3d",
    "nn.modules.batchnorm": "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
    "nn.modules.conv": "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d"
    " LazyConvTranspose3d",
    "nn.modules.linear": "LazyLinear",
    "nn.modules.pooling": "FractionalMaxPool2d FractionalMaxPool3d",
    "nn.modules.loss": "LinearCrossEntropyLoss",
    "nn.modules.linear_cross_entropy_options": "LinearCrossEntropyOptions",
    "nn.parallel.data_parallel": "DataParallel",
    "optim": "Adafactor Muon",
    "utils.data.distributed": "DistributedSampler",
}
_MODULE_FILES = frozenset(
    "activation adaptive batchnorm channelshuffle container conv distance dropout flatten fold instancenorm linear loss"
    " normalization padding pixelshuffle pooling rnn sparse transformer upsampling".split()
)
_OPTIMISERS = {"SparseAdam": "sparse_adam", "Optimizer": "optimizer"}
_PLACES = {name: module for module, names in _ELSEWHERE.items() for name in names.split()}
# where functions and values are looked for by name
_ROOMS = (
    "nn.functional",
    "",
    "nn",
    "nn.init",
    "linalg",
    "special",
    "fft",
    "optim",
    "distributions",
    "nn.utils",
)
_HERE = {  # PyTorch's own names for what users know under another
    "torch._C._VariableFunctionsClass": "",
    "torch._C._VariableFunctions": "",
    "torch._C.TensorBase": "Tensor",
    "torch._C._TensorBase": "Tensor",
    "torch._C.Generator": "Generator",
    "torch._tensor.Tensor": "Tensor",
    "torch.nn.parameter.Parameter": "nn.Parameter",
    "torch.storage.TypedStorage": "TypedStorage",
    "torch.storage._TypedStorage": "TypedStorage",
}
_PREFIXES = ("linalg_", "special_", "fft_")  # torch._C._linalg.linalg_norm is torch.linalg.norm


def _room(path: str) -> Any:
    return import_module(f"{_PACKAGE}.{path}" if path else _PACKAGE)


def _attribute(owner: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        owner = getattr(owner, part)
    return owner


def find(module: str, name: str) -> Any:
    """graphtorch's object for a name of PyTorch's; raises AttributeError where there is none."""
    known = _HERE.get(f"{module}.{name}")
    if known is not None:
        return _attribute(_room(""), known)
    rest = module.partition(".")[2]
    tried = [rest] if rest.split(".")[0] != "_C" else []
    if rest.startswith(
        ("nn.", "optim.", "utils.data.", "distributions.")
    ):  # other files, same rooms
        parent = rest.rpartition(".")[0]
        while parent:
            tried.append(parent)
            parent = parent.rpartition(".")[0]
    elif rest.startswith("_C"):
        tried += _ROOMS
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                tried.append(prefix[:-1])
                name = name.removeprefix(prefix)
                tried.reverse()
    elif rest in ("functional", "_ops", "_tensor"):
        tried.append("")
    for path in tried:
        try:
            return _attribute(_room(path), name)
        except ImportError as error:
            if not (error.name or "").startswith(_PACKAGE):
                raise
        except AttributeError:
            pass
    raise AttributeError(f"{module}.{name} is unknown here")


def torch_name(value: Any) -> tuple[str, str] | None:
    """PyTorch's module and name for a class or function of ours; None for others'."""
    module = getattr(value, "__module__", None) or ""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    if module != _PACKAGE and not module.startswith(_PACKAGE + "."):
        return None
    for path in (*_own_places(module[len(_PACKAGE) + 1 :], name), *_ROOMS):
        place = f"torch.{path}" if path else "torch"
        try:
            if find(place, name) is value:
                return place, name
        except AttributeError:
            pass
    return None


def _own_places(path: str, name: str) -> list[str]:
    """The files in which PyTorch has a class of that name, if it has it under one of ours."""
    if name in _PLACES:
        return [_PLACES[name]]
    folder, _, file = path.rpartition(".")
    if path.startswith("optim.lr_scheduler"):
        return ["optim.lr_scheduler"]
    if folder == "optim" and file != "swa_utils":
        return [f"optim.{_OPTIMISERS.get(name, name.lower())}"]
    if folder == "nn.modules":
        return [path] if file in _MODULE_FILES else []
    if path == "nn.parameter" or path.startswith(
        ("nn.utils", "distributions", "utils.data", "optim.swa_utils")
    ):
        return [path]
    return []


def find_any(module: str, name: str) -> Any:
    """What an unpickler that runs code finds: PyTorch's names here, others where they are."""
    if module == "torch" or module.startswith("torch."):
        return find(module, name)
    module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
    if module == "builtins" and name in _PYTHON_2:
        return _PYTHON_2[name]
    __import__(module)
    return _attribute(sys.modules[module], name)


_PYTHON_2: dict[str, Any] = {"long": int, "unicode": str, "xrange": range, "basestring": str}
