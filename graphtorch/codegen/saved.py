"""A lowered program as JSON, so that a new process need not run the passes either.

The object cache keeps the program of a graph under the graph's text (`program_key`).  What comes back
has the same buffers, steps and error messages; its kernels are names of machine code in the same
cache (`SavedKernel`), and its nodes carry only what reports and errors need.  A program with something
JSON has no word for (a host call with a graph for an attribute) is not kept.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CompileError, UnsupportedError
from ..ir.graph import Graph, Node, Source
from ..ir.op import OPS, Op
from ..ir.text import to_text
from ..ir.types import BY_SHORT, DType, TensorType
from .cache import digest
from .llvm.target import Target
from .program import Array, Buffer, Failure, HostCall, KernelSource, Launch, Program, Step


@dataclass(frozen=True, slots=True)
class SavedKernel:
    """A kernel known by its entry in the object cache."""

    name: str
    entry: str
    scratch_bytes: int

    @property
    def key(self) -> str:
        return self.entry

    def llvm(self, symbol: str, target: Target) -> str:
        raise CompileError(f"kernel {self.name} was loaded from the cache; it has no text here")


def program_key(graph: Graph, target: Target) -> str | None:
    """Under which key the cache keeps the graph's program; None if the graph has no text."""
    try:
        return digest("program", to_text(graph), target.key)
    except UnsupportedError:
        return None


# ---- to JSON


class _Unsayable(Exception):
    pass


def to_json(program: Program, entries: Mapping[str, str]) -> bytes | None:
    """The program's JSON; `entries` gives the cache entry of every kernel by `kernel.key`."""
    kernels: dict[str, KernelSource] = {}
    for step in program.launches:  # equal code may want more scratch for larger sizes
        known = kernels.setdefault(step.kernel.key, step.kernel)
        if known.scratch_bytes < step.kernel.scratch_bytes:
            kernels[step.kernel.key] = step.kernel
    numbers = {key: i for i, key in enumerate(kernels)}
    try:
        content = {
            "name": program.name,
            "kernels": [[k.name, entries[key], k.scratch_bytes] for key, k in kernels.items()],
            "buffers": [_buffer(b) for b in program.buffers],
            "steps": [_step(step, numbers) for step in program.steps],
            "inputs": program.inputs,
            "outputs": program.outputs,
            "updates": program.updates,
        }
        return json.dumps(content, separators=(",", ":"), default=_number).encode()
    except _Unsayable:
        return None


def _number(value: Any) -> int:
    if isinstance(value, np.integer):
        return int(value)
    raise _Unsayable


def _buffer(buffer: Buffer) -> list[Any]:
    value = buffer.value
    content = None if value is None else base64.b64encode(value.tobytes()).decode()
    return [buffer.name, _value(buffer.type), buffer.kind, content]


def _step(step: Step, numbers: Mapping[str, int]) -> dict[str, Any]:
    nodes = [_node(n) for n in step.nodes]
    if isinstance(step, HostCall):
        if OPS.get(step.op.name) is not step.op:
            raise _Unsayable
        return {
            "host": step.op.name,
            "arguments": [_value(a) for a in step.arguments],
            "results": [_value(r) for r in step.results],
            "attrs": {name: _value(v) for name, v in step.attrs.items()},
            "reason": step.reason,
            "nodes": nodes,
        }
    return {
        "kernel": numbers[step.kernel.key],
        "operands": step.operands,
        "writes": step.writes,
        "params": step.params,
        "chunks": step.chunks,
        "grain": step.grain,
        "work": step.work,
        "inplace": step.inplace,
        "failures": [[f.dim, f.size] for f in step.failures],
        "nodes": nodes,
    }


def _node(node: Node) -> list[Any]:
    source = node.source
    place = [source.file, source.line, source.module]
    return [node.name, node.op.name, node.op.kind, _value(node.type), place]


def _value(value: Any) -> Any:
    """A value as JSON; what is not plain becomes an object with one key that says what it is."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_value(v) for v in value]}
    if isinstance(value, list):
        return [_value(v) for v in value]
    if isinstance(value, DType):
        return {"dtype": value.short}
    if isinstance(value, TensorType):
        return {"type": [value.dtype.short, value.shape]}
    if isinstance(value, Array):
        return {"array": [value.buffer, _value(value.type), _value(value.strides), value.offset]}
    raise _Unsayable


# ---- and back


def from_json(content: bytes) -> Program:
    """The program that `to_json` wrote."""
    found = json.loads(content)
    kernels = [SavedKernel(*fields) for fields in found["kernels"]]
    return Program(
        found["name"],
        tuple(_read_buffer(b) for b in found["buffers"]),
        tuple(_read_step(s, kernels) for s in found["steps"]),
        tuple(found["inputs"]),
        tuple(found["outputs"]),
        tuple((target, value) for target, value in found["updates"]),
    )


def _read_buffer(fields: list[Any]) -> Buffer:
    name, type, kind, content = fields
    type = _read(type)
    value = None
    if content is not None:
        flat = np.frombuffer(base64.b64decode(content), type.dtype.numpy)
        value = flat.reshape(type.shape)
    return Buffer(name, type, kind, value)


def _read_step(step: dict[str, Any], kernels: list[SavedKernel]) -> Step:
    nodes = tuple(_read_node(n) for n in step["nodes"])
    if "host" in step:
        return HostCall(
            OPS[step["host"]],
            tuple(_read(a) for a in step["arguments"]),
            tuple(_read(r) for r in step["results"]),
            {name: _read(v) for name, v in step["attrs"].items()},
            nodes,
            step["reason"],
        )
    return Launch(
        kernels[step["kernel"]],
        tuple(step["operands"]),
        tuple(step["writes"]),
        tuple(step["params"]),
        step["chunks"],
        step["grain"],
        step["work"],
        tuple((write, read) for write, read in step["inplace"]),
        tuple(Failure(dim, size) for dim, size in step["failures"]),
        nodes,
    )


def _read_node(fields: list[Any]) -> Node:
    name, op, kind, type, place = fields
    row = OPS.get(op) or Op(op, kind, (), lambda: None)
    return Node(name, row, (), {}, _read(type), Source(*place))


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((what, content),) = value.items()
    if what == "tuple":
        return tuple(_read(v) for v in content)
    if what == "dtype":
        return BY_SHORT[content]
    if what == "type":
        return TensorType(BY_SHORT[content[0]], tuple(content[1]))
    buffer, type, strides, offset = content
    return Array(buffer, _read(type), _read(strides), offset)
