"""Neural network modules: `Module`, layers, losses, initialisation."""

from .. import absent as absent
from . import attention as attention
from . import functional as functional
from . import init as init
from . import modules as modules
from . import parallel as parallel
from . import parameter as parameter
from . import utils as utils
from .module import Epoch as Epoch
from .module import Module as Module
from .modules import *  # noqa: F403
from .parallel import DataParallel as DataParallel
from .parameter import Buffer as Buffer
from .parameter import Parameter as Parameter
from .parameter import UninitializedBuffer as UninitializedBuffer
from .parameter import UninitializedParameter as UninitializedParameter


def module_epoch() -> int:
    """Return the number of changes made to any module so far; equal numbers mean nothing changed."""
    return Epoch.value

__getattr__ = absent.names_of(__name__)
