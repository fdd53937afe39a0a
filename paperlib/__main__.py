"""`python -m paperlib`, which torchrun and accelerate launch start."""

import sys

from paperlib.cli import main

sys.exit(main())
