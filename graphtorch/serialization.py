"""`torch.serialization`: see `frontend/serialization.py`."""

from .frontend.serialization import add_safe_globals as add_safe_globals
from .frontend.serialization import clear_safe_globals as clear_safe_globals
from .frontend.serialization import get_safe_globals as get_safe_globals
from .frontend.serialization import load as load
from .frontend.serialization import safe_globals as safe_globals
from .frontend.serialization import save as save
