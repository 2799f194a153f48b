"""Optimisers and learning-rate schedules."""

import sys

from .. import absent as absent
from . import adafactor as _adafactor
from . import adam as _adam
from . import adaptive as _adaptive
from . import lr_scheduler as lr_scheduler
from . import muon as _muon
from . import swa_utils as swa_utils
from .adafactor import Adafactor
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .adaptive import ASGD, Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .muon import Muon
from .optimizer import Optimizer
from .sgd import SGD
from .sparse_adam import SparseAdam

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Muon", "NAdam",
    "Optimizer", "RAdam", "RMSprop", "Rprop", "SparseAdam", "lr_scheduler", "swa_utils",
]  # fmt: skip

# PyTorch keeps one optimiser a file
for _name in ("adamw", "adamax", "nadam", "radam"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _adam
for _name in ("adagrad", "adadelta", "rmsprop", "rprop", "asgd"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _adaptive
for _name in ("_adafactor", "_muon"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name]

__getattr__ = absent.names_of(__name__)
