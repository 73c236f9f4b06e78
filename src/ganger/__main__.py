"""``python -m ganger`` is the command ``ganger``."""

from __future__ import annotations

import sys

from ganger.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
