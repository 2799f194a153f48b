"""`torch._dynamo.config`: switches of PyTorch's tracer; they hold what they are set to and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = 256
verbose = suppress_errors = False
capture_scalar_outputs = capture_dynamic_output_shape_ops = False
automatic_dynamic_shapes = assume_static_by_default = True
skip_fwd_side_effects_in_bwd_under_checkpoint = False
optimize_ddp = True


@contextmanager
def patch(*args: Any, **values: Any) -> Iterator[None]:
    """Set switches for a block."""
    for argument in args:
        values.update(argument if isinstance(argument, dict) else {})
    known = globals()
    before = {name: known[name] for name in values if name in known}
    known.update(values)
    try:
        yield
    finally:
        known.update(before)
