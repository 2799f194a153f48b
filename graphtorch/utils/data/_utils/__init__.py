"""Where PyTorch's programs look for the parts of a loader."""

import sys

from .. import collate as collate
from .. import worker as worker

for _name, _part in (("collate", collate), ("worker", worker)):
    sys.modules[f"{__name__}.{_name}"] = _part
