"""The page of further races keeps the sections of those that did not run again."""

from __future__ import annotations

from benchmarks.further import PAGE, RACES, page_of, section, sections


def test_a_page_is_read_as_it_was_written() -> None:
    found = {name: section(f"python -m benchmarks.{name}", "first 1.0 ms\n\nsecond 2.0 ms\n", 3.0) for name in RACES}
    assert sections(page_of(found)) == found
    assert "first 1.0 ms\n\nsecond" in found["driven"]
    assert "3 s on 2" in found["driven"]


def test_one_section_leaves_the_others() -> None:
    assert sections(page_of({"points": "b", "driven": "a"})) == {"driven": "a", "points": "b"}


def test_the_page_holds_races_that_are_there() -> None:
    assert set(sections(PAGE.read_text(encoding="utf-8"))) <= set(RACES)
