"""``python -m metrigen`` is the program ``metrigen``."""

from metrigen.cli import main

if __name__ == "__main__":
    main()
