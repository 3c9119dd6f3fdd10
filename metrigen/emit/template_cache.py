"""Compiled templates, kept between builds: reading them again is a tenth of a build.

A file holds the code of one template, made by one jinja2 with one set of options in one Python, and the hash of its
source: where one of them is another, it is compiled again and the file replaced. There are as many files as templates.
Nothing depends on them. A folder that cannot be written or read, a file that is torn or another user's, is no cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket, BytecodeCache

from metrigen.folders import cache_folder


class TemplateCache(BytecodeCache):
    """The files of the templates under ``options``, those of the environment that shape their code."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._made_by = repr((jinja2.__version__, sys.implementation.cache_tag, sorted(options.items())))

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket from its file, if that is there, of this user and whole."""
        with contextlib.suppress(OSError, RuntimeError), self._file(bucket).open("rb") as stream:
            if not hasattr(os, "getuid") or os.fstat(stream.fileno()).st_uid == os.getuid():
                bucket.load_bytecode(stream)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Put the bucket into its file in one piece, beside builds that do the same."""
        with contextlib.suppress(OSError, RuntimeError):
            file = self._file(bucket)
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, staged = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
            try:
                with open(handle, "wb") as stream:
                    bucket.write_bytecode(stream)
                os.replace(staged, file)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(staged)
                raise

    def _file(self, bucket: Bucket) -> Path:
        name = hashlib.sha256(f"{self._made_by} {bucket.key}".encode()).hexdigest()
        return cache_folder() / "templates" / f"{name[:24]}.code"
