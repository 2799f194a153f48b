"""`torch.random`: see `frontend/random.py`."""

from . import absent as absent
from .frontend.random import default_generator as default_generator
from .frontend.random import fork_rng as fork_rng
from .frontend.random import get_rng_state as get_rng_state
from .frontend.random import initial_seed as initial_seed
from .frontend.random import manual_seed as manual_seed
from .frontend.random import seed as seed
from .frontend.random import set_rng_state as set_rng_state

__getattr__ = absent.names_of(__name__)
