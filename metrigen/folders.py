"""Where metrigen keeps what it made on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled kernels and layers are kept: METRIGEN_CACHE, else the cache folder of the platform. RuntimeError
    where there is no home folder to hold it."""
    if wish := os.environ.get("METRIGEN_CACHE"):
        return Path(wish).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/metrigen"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "metrigen"
