"""`python -m tests.proofs main`."""

import sys

from tests.proofs.run import main

sys.exit(main())
