"""`python -m lockstep`: see cli.py."""

import sys

from lockstep.cli import main

sys.exit(main())
