"""`python -m migrate`: the command line."""

import sys

from migrate.cli import main

sys.exit(main())
