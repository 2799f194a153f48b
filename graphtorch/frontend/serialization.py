"""`save` and `load`: PyTorch's zip checkpoints.

    archive/data.pkl        a pickle of protocol 2 in which storages are persistent ids
    archive/byteorder       "little"
    archive/data/0, 1, ...  the bytes of each storage, uncompressed, at multiples of 64
    archive/version         "3"

Files written here load in PyTorch and the other way round, whole modules included
(`checkpoint_names.py`).  By default a file is read as data only and runs no code
(`checkpoint_reader.py`, `unpickle.py`, `checkpoint_values.py`); what else it asks for is an error
that names it.  PyTorch's format from before 1.6 is read and written too (`checkpoint_legacy.py`).
"""

from .checkpoint_location import default_restore_location
from .checkpoint_reader import get_unsafe_globals_in_checkpoint, load
from .checkpoint_writer import save
from .safe_globals import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

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
