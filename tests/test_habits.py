"""What a developer runs before a commit: the hooks, and the quick round of dev.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from metrigen.discretise.discretisations import DISCRETISATIONS
from metrigen.spec.load import load_spec
from tests.conftest import ROOT

yaml = pytest.importorskip("yaml")


def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hooks() -> list[dict[str, Any]]:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]  # nothing is fetched
    return [hook for repo in config["repos"] for hook in repo["hooks"]]


def test_the_hooks_are_the_static_checks_of_the_suite() -> None:
    words = [hook["entry"].removeprefix("python -m ").replace(" --force-exclude", "") for hook in hooks()]
    assert words == [" ".join(word for word in check if word != ".") for check in dev().CHECKS]
    for hook in hooks():
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert hook["language"] == "system"


@pytest.mark.parametrize("hook", hooks()[:2], ids=lambda hook: hook["id"])
def test_a_hook_passes_a_clean_file_and_stops_another(hook: dict[str, Any], tmp_path: Any) -> None:
    command = [sys.executable, *hook["entry"].split()[1:], "--config", str(ROOT / "pyproject.toml")]
    for text, code in (('"""Clean."""\n', 0), ("import os, sys\nx=1\n", 1)):
        (tmp_path / "file.py").write_text(text)
        done = subprocess.run([*command, "file.py"], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stdout


def test_the_quick_round_has_a_spec_of_every_domain() -> None:
    domains = [type(load_spec(ROOT / name).system.domain) for name in dev().QUICK]
    assert sorted(kind.__name__ for kind in domains) == sorted(kind.domain.__name__ for kind in DISCRETISATIONS)
