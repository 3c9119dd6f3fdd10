"""Processes of the tests end: those that are stuck say where, and nobody waits for the rank that failed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests import processes

FORKED = pytest.mark.skipif(not processes.FORKS, reason="torchrun does both")
MEET = """
import os
import torch.distributed
if os.environ["RANK"] == "0":
    raise SystemExit("the first rank has gone")
torch.distributed.init_process_group("gloo")
"""


@FORKED
def test_nobody_waits_for_a_rank_that_failed(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(MEET, encoding="utf-8")
    began = time.monotonic()
    done = processes.ranks(2, "half", PYTHONPATH=os.pathsep.join([str(tmp_path), str(processes.ROOT)]))
    assert done.returncode == 1
    assert time.monotonic() - began < processes.SECONDS / 2


@FORKED
def test_what_is_stuck_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    processes.python("-c", "pass")  # the server is there
    monkeypatch.setattr(processes, "SECONDS", 6.0)
    with pytest.raises(AssertionError, match=r"(?s)did not end in 6.0 s.*began.*Timeout.*<string>.*line 3 in wait"):
        processes.python("-c", "import time\ndef wait():\n    time.sleep(60)\nprint('began', flush=True)\nwait()")
