"""What `DataParallel` is made of.  With one device, everything is for that device.

Raises UnsupportedError where several devices are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import UnsupportedError, message
from ...frontend.tensor import Tensor
from ..module import Module


def _one(devices: Any) -> Any:
    """The only device of a list."""
    found = list(devices) if isinstance(devices, (list, tuple, range)) else [devices]
    if len(found) != 1:
        raise UnsupportedError(
            message(
                f"a model is not spread over {len(found)} devices",
                hint="graphtorch computes on one device: pass one device id",
            )
        )
    return found[0]


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, Tensor):
        if device is None or (isinstance(device, int) and device < 0):
            return value
        return value.to(device)  # type: ignore[attr-defined]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(v, device) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(v, device) for v in value)
    if isinstance(value, dict):
        return type(value)((k, _moved(v, device)) for k, v in value.items())
    return value


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """Split tensors along `dim` over the devices: one piece, on the one device."""
    return (_moved(inputs, _one(target_gpus)),)


def scatter_kwargs(
    inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple[Any, ...], tuple[dict[str, Any], ...]]:
    """`scatter` of positional and keyword arguments."""
    return scatter(inputs, target_gpus, dim), scatter(kwargs or {}, target_gpus, dim)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Join the results of the devices along `dim`, on one device."""
    first = outputs[0]
    if isinstance(first, Tensor):
        from ...frontend.functional.joining import cat, stack

        joined = list(_moved(o, target_device) for o in outputs)
        return cat(joined, dim) if first.ndim else stack(joined)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((k, gather([o[k] for o in outputs], target_device, dim)) for k in first)
    return type(first)(gather(list(o), target_device, dim) for o in zip(*outputs, strict=True))


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Module]:
    """The module once for each device: itself, for the one device."""
    _one(devices)
    return [network]


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """Call each module with its inputs."""
    if len(modules) != len(inputs):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}"
        )
    keywords = kwargs_tup or [{}] * len(modules)
    return [
        module(*(given if isinstance(given, (list, tuple)) else (given,)), **kwargs)
        for module, given, kwargs in zip(modules, inputs, keywords, strict=True)
    ]


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """Call `module` on its inputs, spread over devices: on the one there is."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    if device_ids:
        given = _moved(given, _one(device_ids))
    return module(*given, **(module_kwargs or {}))
