"""`torch.serialization`: see `frontend/serialization.py`."""

import os as _os
from typing import IO as _IO
from typing import Any as _Any

from . import absent as absent
from .frontend.serialization import add_safe_globals as add_safe_globals
from .frontend.serialization import clear_safe_globals as clear_safe_globals
from .frontend.serialization import default_restore_location as default_restore_location
from .frontend.serialization import get_safe_globals as get_safe_globals
from .frontend.serialization import (
    get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint,
)
from .frontend.serialization import load as load
from .frontend.serialization import safe_globals as safe_globals
from .frontend.serialization import save as save

FILE_LIKE = str | _os.PathLike | _IO[bytes]
MAP_LOCATION = _Any
DEFAULT_PROTOCOL = 2

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "safe_globals",
    "save",
]


def _is_zipfile(f: _Any) -> bool:
    """Whether a file starts as a zip archive does."""
    start = f.tell()
    head = f.read(4)
    f.seek(start)
    return head == b"PK\x03\x04"


__getattr__ = absent.names_of(__name__)
