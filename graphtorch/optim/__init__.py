"""Optimisers and learning-rate schedules."""

import sys

from . import adam as _adam
from . import adaptive as _adaptive
from . import lr_scheduler as lr_scheduler
from . import swa_utils as swa_utils
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .adaptive import ASGD, Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "ASGD", "LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam",
    "RMSprop", "Rprop", "lr_scheduler",
]  # fmt: skip

# PyTorch keeps one optimiser a file
for _name in ("adamw", "adamax", "nadam", "radam"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _adam
for _name in ("adagrad", "adadelta", "rmsprop", "rprop", "asgd"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _adaptive
