"""`python -m srcnn` is the command `srcnn`."""

import sys

from srcnn.cli import main

sys.exit(main())
