"""`torch.autograd.graph`: the recorded graph and what may be hooked into it."""

from __future__ import annotations

import abc
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import absent as absent
from ..frontend import engine as _engine
from ..frontend import tape as _tape
from ..frontend import watching as _watching
from ..frontend.tensor import Tensor


class Node(abc.ABC):  # noqa: B024
    """For `isinstance(x.grad_fn, torch.autograd.graph.Node)`."""


Node.register(_tape.TapeNode)
Node.register(_tape.AccumulateGrad)


class GradientEdge(NamedTuple):
    """A node and which of its outputs is meant."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge along which `tensor` receives its gradient; raises RuntimeError if it needs none."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")  # fmt: skip
    node = tensor.grad_fn
    return GradientEdge(_tape.accumulator(tensor) if node is None else node, tensor._index)


class saved_tensors_hooks:
    """While active, what the tape saves goes through pack_hook(tensor) -> anything, and comes back for
    the backward pass through unpack_hook(anything) -> tensor.

    >>> import graphtorch as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
    ...     y = (x.detach().requires_grad_() * 1).exp().sum()
    >>> y.backward()
    """

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        state = _watching.state
        if state.disabled is not None:
            raise RuntimeError(state.disabled)
        state.hooks = (*state.hooks, (self.pack_hook, self.unpack_hook))
        _watching.refresh()

    def __exit__(self, *error: object) -> None:
        _watching.state.hooks = _watching.state.hooks[:-1]
        _watching.refresh()


class save_on_cpu(saved_tensors_hooks):
    """Keep what the tape saves in main memory until the backward pass."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        def pack(tensor: Tensor) -> tuple[Any, Tensor]:
            if tensor._device is None:
                return None, tensor
            return tensor.device, tensor.cpu()  # type: ignore[attr-defined]

        def unpack(packed: tuple[Any, Tensor]) -> Tensor:
            device, tensor = packed
            return tensor if device is None else tensor.to(device)  # type: ignore[attr-defined]

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering `saved_tensors_hooks` raises RuntimeError with this message."""
    state = _watching.state
    if state.hooks:
        raise RuntimeError(error_message)
    before, state.disabled = state.disabled, error_message
    try:
        yield
    finally:
        state.disabled = before


class _MultiHandle:
    """Handle of hooks on several tensors."""

    def __init__(self, handles: Sequence[Any]):
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> Any:
    """Call `fn` once per backward pass for the gradients of several tensors.

    mode "all": fn(grads), when those of all tensors that the pass reaches are there (None for others);
    "any": fn(grad), with the first one computed.  Returns a handle with `remove()`.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = list(tensors)
    lock = threading.Lock()
    seen: dict[int, Any] = {}

    def hook_of(index: int) -> Callable[[Tensor], None]:
        def hook(grad: Tensor) -> None:
            number = _engine.running.count
            with lock:
                entry = seen.get(number)
                if entry is None:
                    seen.clear()
                    expected = sum(_engine.reached(tensors)) if mode == "all" else 1
                    entry = seen[number] = {"expected": expected, "grads": [None] * len(tensors), "found": 0}  # fmt: skip
                entry["grads"][index] = grad
                entry["found"] += 1
                complete = entry["found"] == entry["expected"]
            if complete:
                fn(entry["grads"] if mode == "all" else grad)

        return hook

    return _MultiHandle([t.register_hook(hook_of(i)) for i, t in enumerate(tensors)])


def increment_version(tensor: Any) -> None:
    """Count a write to `tensor` (or to each of several) that was made behind the tape's back."""
    for x in [tensor] if isinstance(tensor, Tensor) else tensor:
        x._storage.version += 1


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[None]:
    """Inside, writing in place to a tensor that the tape saved is allowed: the tape keeps a copy."""
    with saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):  # type: ignore[attr-defined]
        yield


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip

__getattr__ = absent.names_of(__name__)
