"""Compiled templates are kept between builds, and nothing depends on what is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from metrigen.emit.template_cache import TemplateCache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("METRIGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "templates"


def rendered(text: str, counted: list[str] | None = None, **options: Any) -> str:
    """A template rendered in an environment of its own, as by a process of its own."""

    class Counting(jinja2.Environment):
        def _parse(self, source: str, *rest: Any) -> Any:
            if counted is not None:
                counted.append(source)
            return super()._parse(source, *rest)

    loader = jinja2.DictLoader({"a.j2": text})
    return Counting(loader=loader, bytecode_cache=TemplateCache(options), **options).get_template("a.j2").render(x=1)


def test_a_template_is_compiled_once(cache: Path) -> None:
    compiled: list[str] = []
    assert [rendered("{{ x }} one", compiled) for _ in range(3)] == ["1 one"] * 3
    assert len(compiled) == 1
    assert [file.suffix for file in cache.iterdir()] == [".code"]


def test_another_source_takes_the_place_of_the_first(cache: Path) -> None:
    assert rendered("{{ x }} one") == "1 one"
    assert rendered("{{ x }} two") == "1 two"
    assert len([*cache.iterdir()]) == 1


def test_other_options_have_a_file_of_their_own(cache: Path) -> None:
    text = "{% if x %}\n{{ x }}\n{% endif %}"
    assert rendered(text, trim_blocks=True) == "1\n"
    assert rendered(text, trim_blocks=False) == "\n1\n"


@pytest.mark.parametrize("spoil", [b"", b"j2", b"torn" * 9])
def test_a_torn_file_is_no_cache(cache: Path, spoil: bytes) -> None:
    rendered("{{ x }} one")
    (file,) = cache.iterdir()
    for data in (spoil, file.read_bytes()[:-7]):
        file.write_bytes(data)
        assert rendered("{{ x }} one") == "1 one"


def test_a_file_of_another_user_is_not_run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered("{{ x }} one")
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    compiled: list[str] = []
    assert rendered("{{ x }} one", compiled) == "1 one"
    assert compiled


def test_a_build_goes_on_without_a_folder(cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert rendered("{{ x }} one") == "1 one"
