"""`save` and `load`: PyTorch's zip checkpoints, written and read without running code.

    archive/data.pkl        a pickle of protocol 2 in which storages are persistent ids
    archive/byteorder       "little"
    archive/data/0, 1, ...  the bytes of each storage, uncompressed, at multiples of 64
    archive/version         "3"

Files written here load in PyTorch and the other way round.  Loading goes through a reader that knows
only data (`checkpoint_reader.py`, `unpickle.py`, `checkpoint_values.py`); what else a file asks for is an error that names it.
PyTorch's format from before 1.6 (several pickles in a row) is read too.
"""

from .checkpoint_reader import load
from .checkpoint_values import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from .checkpoint_writer import save

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "load",
    "safe_globals",
    "save",
]
