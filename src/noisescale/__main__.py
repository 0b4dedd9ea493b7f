"""``python -m noisescale COMMAND``, the same as the console script ``noisescale``."""

import sys

from noisescale.cli import main

if __name__ == "__main__":
    sys.exit(main())
