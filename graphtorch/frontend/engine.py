"""The engine: pushes cotangents along the tape, newest node first.

Newest first is a reverse topological order, because a node is always younger than what it consumed.
Rules are written with ops, so under `create_graph` they are recorded in turn, and under the tracer
they extend the graph: there is one autograd.
"""

from __future__ import annotations

import heapq
import threading
from typing import Any

from ..errors import message
from ..ir import dispatch
from . import grad_mode
from .tape import TapeNode, position_line
from .tensor import Tensor


def _add(a: Tensor | None, b: Tensor) -> Tensor:
    if a is None:
        return b
    from ..ir import ops

    return ops.add(a, b)


def _run_hooks(tensor: Tensor, grad: Tensor) -> Tensor:
    for hook in list(tensor._hooks.values()) if tensor._hooks else ():
        replaced = hook(grad)
        if replaced is not None:
            grad = replaced
    return grad


def _reach(roots: list[TapeNode], goals: set[int]) -> set[int]:
    """Ids of the nodes from which a goal (node or leaf id) can be reached; iterative for deep graphs."""
    reaches: dict[int, bool] = {}
    for root in roots:
        stack: list[tuple[TapeNode, bool]] = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                found = id(node) in goals
                for edge in node.edges:
                    if edge is None:
                        continue
                    if isinstance(edge, Tensor):
                        found = found or id(edge) in goals
                    else:
                        found = found or reaches.get(id(edge[0]), False)
                reaches[id(node)] = found
            elif id(node) not in reaches:
                reaches[id(node)] = False
                stack.append((node, True))
                for edge in node.edges:
                    if (
                        edge is not None
                        and not isinstance(edge, Tensor)
                        and id(edge[0]) not in reaches
                    ):
                        stack.append((edge[0], False))
    return {key for key, found in reaches.items() if found}


class _Running(threading.local):
    """The backward pass that runs on this thread: where it started, its number, the node at work."""

    roots: list[Tensor] | None = None
    count = 0
    node: Any = None


running = _Running()


def engine(
    roots: list[tuple[Tensor, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    inputs: list[Tensor] | None,
) -> list[Tensor | None] | None:
    """Push cotangents from the roots to the leaves, or to `inputs` if given (then returned)."""
    outer, node = running.roots, running.node
    running.roots = [tensor for tensor, _ in roots]
    running.count += 1
    try:
        return _run(roots, retain_graph, create_graph, inputs)
    finally:
        running.roots, running.node = outer, node


def reached(tensors: list[Tensor]) -> list[bool]:
    """Which of the tensors the running backward pass can reach."""
    roots = running.roots or []
    nodes = [n for t in roots if (n := t._history()) is not None]
    found = []
    for x in tensors:
        node = x._history()
        goal = id(x) if node is None else id(node)
        found.append(any(x is t for t in roots) or bool(_reach(nodes, {goal})))
    return found


def _run(
    roots: list[tuple[Tensor, Tensor]],
    retain_graph: bool,
    create_graph: bool,
    inputs: list[Tensor] | None,
) -> list[Tensor | None] | None:
    pending: dict[TapeNode, list[Tensor | None]] = {}
    leaves: dict[int, tuple[Tensor, Tensor]] = {}
    heap: list[tuple[int, TapeNode]] = []
    wanted: dict[tuple[int, int], Tensor | None] = {}
    useful: set[int] | None = None
    if inputs is not None:
        for x in inputs:
            node = x._history()
            wanted[(id(node), x._index) if node is not None else (id(x), -1)] = None
        root_nodes = [n for t, _ in roots if (n := t._history()) is not None]
        useful = _reach(root_nodes, {key for key, _ in wanted})

    def send(edge: Any, grad: Tensor) -> None:
        if isinstance(edge, Tensor):
            known = leaves.get(id(edge))
            leaves[id(edge)] = (edge, grad if known is None else _add(known[1], grad))
            return
        node, index = edge
        if useful is not None and id(node) not in useful:
            return
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * (1 if node.outputs is None else len(node.outputs))
            heapq.heappush(heap, (-node.sequence, node))
        slots[index] = _add(slots[index], grad)

    tracer = dispatch._stack.top
    watched = grad_mode.state.watching
    if watched:
        from . import watching
    with grad_mode.set_grad_enabled(create_graph):
        for tensor, grad in roots:
            node = tensor._history()
            send((node, tensor._index) if node is not None else tensor, grad)
        while heap:
            _, node = heapq.heappop(heap)
            grads = pending.pop(node)
            if node.watchers is not None:
                for tensor in node.watchers:
                    grad = grads[tensor._index]
                    if tensor._node is node and grad is not None:
                        grads[tensor._index] = grad = _run_hooks(tensor, grad)
                        if tensor._retains_grad and inputs is None:
                            tensor._grad = (
                                grad if tensor._grad is None else _add(tensor._grad, grad)
                            )
            for key in wanted:
                if key[0] == id(node):
                    wanted[key] = grads[key[1]]
            if useful is not None and not any(
                edge is not None
                and (
                    id(edge if isinstance(edge, Tensor) else edge[0]) in useful
                    or (id(edge), -1) in wanted
                )
                for edge in node.edges
            ):
                continue
            if node.freed and node.gone():
                raise RuntimeError(
                    message(
                        "Trying to backward through the graph a second time (or directly access saved tensors"
                        f" after they have already been freed): {node.name()} at {position_line(node.position)}.",
                        hint="specify retain_graph=True in the first backward() call",
                    )
                )
            if node._pre_hooks:
                for hook in list(node._pre_hooks.values()):
                    grads = list(hook(tuple(grads)) or grads)
            if tracer is not None:
                tracer.ran_node(node)  # type: ignore[attr-defined]
            running.node = node
            cotangents = node.cotangents(grads)
            if watched:
                watching.ran(node, cotangents)
            if node._post_hooks:
                for hook in list(node._post_hooks.values()):
                    cotangents = hook(tuple(cotangents), tuple(grads)) or cotangents
            if not retain_graph:
                node.release()
            for edge, cotangent in zip(node.edges, cotangents, strict=True):
                if edge is not None and cotangent is not None:
                    send(edge, cotangent)
        owned: set[int] = {id(grad._storage) for _, grad in roots}
        for key, (leaf, grad) in leaves.items():
            grad = _run_hooks(leaf, grad)
            if inputs is None:
                accumulate(leaf, grad, owned, create_graph)
            elif (key, -1) in wanted:
                wanted[(key, -1)] = grad
    if inputs is None:
        return None
    return [wanted[(id(x._node), x._index) if x._node is not None else (id(x), -1)] for x in inputs]


def accumulate(leaf: Tensor, grad: Tensor, owned: set[int], create_graph: bool) -> None:
    """Add to `leaf.grad`; a gradient buffer nobody else holds is taken over without a copy."""
    from ..ir import ops

    before = leaf.grad
    if before is not None:
        if create_graph:
            leaf.grad = _add(before, grad)
        else:
            before._write(_add(before, grad))
    else:
        storage = grad._storage
        if not create_graph and (
            id(storage) in owned or grad._view is not None or not grad._array.flags.c_contiguous
        ):
            grad = ops.copy(grad)
        owned.add(id(storage))
        leaf.grad = grad
    hooks = leaf.__dict__.get("_post_accumulate_hooks")
    if hooks:
        for hook in list(hooks.values()):
            hook(leaf)
