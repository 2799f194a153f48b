"""`torch.autograd.forward_ad` is not supported: Jacobian-vector products run through `functional.jvp`."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError, message


def _unsupported(*args: Any, **kwargs: Any) -> Any:
    raise UnsupportedError(
        message(
            "forward-mode differentiation is not supported",
            hint="use torch.autograd.functional.jvp",
        )
    )


dual_level = make_dual = unpack_dual = enter_dual_level = exit_dual_level = _unsupported
