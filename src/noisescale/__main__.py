"""``python -m noisescale STAGE``."""

import sys

from noisescale.environment import settle_environment

if __name__ == "__main__":
    # Before anything imports a library of linear algebra.
    settle_environment()

    from noisescale.cli import main

    sys.exit(main())
