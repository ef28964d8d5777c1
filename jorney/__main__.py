"""`python -m jorney`."""

import sys

from jorney.cli import main

sys.exit(main())
