"""What the README says works: its programs and their numbers, its commands, its figures, its files."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import processes
from tests.bytes import table
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = " ".join(README.split())


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_it_is_no_longer_than_a_reader_stays() -> None:
    assert len(README.splitlines()) < 150
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) == 10
    assert len([line for line in blocks("python")[1].splitlines() if line.strip()]) <= 3
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) == 3
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < 60_000, picture


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_programs_print_what_they_say(number: int, tmp_path: Path) -> None:
    """Each ends with a line that prints, and says what."""
    code = blocks("python")[number]
    said = re.search(r"^print\(.*\)  # (.*)$", code.rstrip().splitlines()[-1])
    assert said, code
    path = tmp_path / "program.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}", encoding="utf-8")
    done = processes.python(path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == said[1]


def test_the_programs_need_no_more_than_torch() -> None:
    """And what the README names: it tells to install no trainers, which the tests have as well."""
    imports = [line for block in blocks("python") for line in block.splitlines() if re.match("from|import", line)]
    assert len(imports) == 3
    missing = ("lightning_fabric", "datasets", "sklearn", "PIL", "matplotlib")
    program = "\n".join(["import sys", f"sys.modules.update(dict.fromkeys({missing!r}))", *imports])
    done = processes.python("-c", program, fork=False)
    assert done.returncode == 0, done.stderr


def test_the_refusal_is_what_is_printed_now() -> None:
    page = (ROOT / "docs/concepts/errors.md").read_text(encoding="utf-8")
    refusal = next(
        block for block in re.findall(r"^```\n(.*?)^```$", README, re.M | re.S) if block.startswith("error:")
    )
    assert refusal.splitlines()[0] in page


def test_the_two_commands_exist() -> None:
    calls = commands()
    assert [command[:2] for command in calls] == [["python3", "dev.py"]] * 2
    for command in calls:
        assert re.search(rf'"{command[2]}": {command[2]}\b', (ROOT / "dev.py").read_text())
    usage = subprocess.run([sys.executable, "dev.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert usage.returncode == 1
    assert "dev.py demo" in usage.stderr


def test_ci_runs_the_second_command() -> None:
    assert "python3 dev.py test" in (ROOT / ".ci/run").read_text()


def test_the_figures_of_the_gallery() -> None:
    """How many systems there are, and which kernels their packages have, by the table of what is emitted."""
    emitted = {name: files for name, files in table.read().items() if name.startswith("specs/gallery/")}
    kernels = [("kernels.cpp" in files, "kernels.py" in files) for files in emitted.values()]
    count = [kernels.count(pair) for pair in ((True, True), (True, False), (False, False))]
    sentence = TEXT[TEXT.index("The gallery, `specs/gallery/`, has") : TEXT.index("(`metrigen list`)")]
    assert [int(number) for number in re.findall(r"\d+", sentence)] == [
        len(list(ROOT.glob("specs/gallery/*.py"))),
        *count,
    ]
    assert len(kernels) == sum(count)


def test_speeds_are_those_of_the_benchmarks() -> None:
    """Milliseconds, and the ratio in front of them, of the rows that the pages of the benchmarks have."""
    page = (ROOT / "benchmarks/RESULTS.md").read_text(encoding="utf-8")
    medians = [
        float(row.split("|")[3]) for row in page.splitlines() if re.match(r"\| W\d", row) and row.count("|") > 10
    ]
    further = (ROOT / "benchmarks/FURTHER.md").read_text(encoding="utf-8")
    medians += [float(number) for number in re.findall(r"([\d.]+) ms \(", further)]
    shown = re.findall(r"^\| \*\*([\d.]+)\*\* \| [^|]+ \| ([\d.]+) ms \| .*?([\d.]+) ms \|$", README, re.M)
    assert len(shown) == 7
    for ratio, own, other in shown:
        ours, theirs = ([m for m in medians if f"{m:.1f}" == number] for number in (own, other))
        assert any(f"{b / a:.1f}" == ratio for a in ours for b in theirs), (ratio, own, other)


def test_accuracies_are_those_of_the_ablation() -> None:
    page = (ROOT / "trainers/README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| [\d,]+ \| ([\d.]+) % \| [\d., ]+ \| [+-][\d.]+ \|$", page, re.M))
    full, euler = rows["full, K = 2"], rows["explicit Euler in place of Strang"]
    assert f"by {float(full) - float(euler):.1f} points** ({full} % against {euler} %" in TEXT
    steps = [rows[name] for name in ("K = 1", "full, K = 2", "K = 4", "K = 8")]
    assert f"{', '.join(steps[:3])} and {steps[3]} %" in TEXT
    for name in ("without the bracket (dissipation alone)", "fields with GELU in place of T"):
        assert f"{float(full) - float(rows[name]):.1f}" in TEXT


def test_files_and_folders_named_exist() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / name).exists(), name
    for folder in re.findall(r"`([a-z]+(?:/[a-z]+)*/)`", README):
        assert (ROOT / folder).is_dir(), folder
