"""Vectors of the CPU kernels are registers of the processor: a compiler takes longer ones apart through memory."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

TEMPLATES = sorted((ROOT / "templates").glob("*.cpp.j2"))
# Bytes in numbers: of a vector, of its typedef.
FIXED = re.compile(r"\b\d+ / (?:\w+\.)?sizeof\(|vector_size\(\d\d+\)")
# Where the instruction set has been asked for.
ASKED = {"kernels_circular.cpp.j2": 4, "kernels_point_lanes.cpp.j2": 1}


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_no_vector_has_a_length_of_its_own(file: Path) -> None:
    assert len(FIXED.findall(file.read_text(encoding="utf-8"))) == ASKED.get(file.name, 0)


@pytest.mark.parametrize("name", ["cifar", "lm"])
def test_a_vector_is_as_wide_as_the_instruction_set(name: str) -> None:
    text = (ROOT / "generated" / name / "kernels.cpp").read_text(encoding="utf-8")
    for macro, size in (("__AVX512F__", 64), ("__AVX__", 32)):
        assert re.search(rf"if(?:def | defined\(){macro}\)?\nconstexpr long REGISTER = {size};", text)
    assert re.search(r"LANES = (?:lanes_of\(W\)|REGISTER / sizeof\(R\));", text)
