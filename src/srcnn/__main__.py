"""`python -m srcnn` is the command `srcnn`."""

import sys

from srcnn.command.cli import main

sys.exit(main())
