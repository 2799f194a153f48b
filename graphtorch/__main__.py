"""`python -m graphtorch`: see `graphtorch.cli`."""

import sys

from .cli.main import main

sys.exit(main())
