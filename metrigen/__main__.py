"""``python -m metrigen`` is the program ``metrigen``."""

import sys

# ``python -m`` puts the working folder before everything that is installed; the program ``metrigen`` does not.
if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

from metrigen.cli import main

if __name__ == "__main__":
    main()
