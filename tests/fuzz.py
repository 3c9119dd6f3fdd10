"""Fuzz the whole chain: python tests/fuzz.py N SEED [--every 10] [--triton] [--log FILE]

Draws N specs from seeds SEED, SEED + 1, ..., takes each through derive, emit, import and run, checks what must hold
(``tests.fuzzing.checks``), and prints every fault and the coverage. With --log a range goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

if "--triton" in sys.argv:  # Triton fixes its mode when it is imported
    os.environ["TRITON_INTERPRET"] = "1"
os.environ.setdefault("METRIGEN_CPU_KERNELS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.fuzzing.coverage import table
from tests.fuzzing.run import Outcome, outcome_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--every", type=int, default=10, help="every so many specs run on the kernels too")
    parser.add_argument("--triton", action="store_true", help="interpreted Triton kernels in place of the CPU's")
    parser.add_argument("--log", type=Path, help="one JSON line a spec; what stands there is not run again")
    given = parser.parse_args()
    lines = given.log.read_text().splitlines() if given.log and given.log.exists() else []
    done = {record["seed"]: record for record in map(json.loads, lines)}
    for seed in range(given.seed, given.seed + given.count):
        if seed in done:
            continue
        found = outcome_of(seed, given.every)
        done[seed] = record = as_record(found)
        for fault in found.faults:
            print(f"seed {seed}  {found.cell}: {fault}", flush=True)
        if given.log:
            with given.log.open("a") as file:
                file.write(json.dumps(record) + "\n")
    records = [done[seed] for seed in range(given.seed, given.seed + given.count)]
    print(table(records))
    return int(any(record["faults"] for record in records))


def as_record(found: Outcome) -> dict[str, object]:
    cell = found.cell
    return {"seed": found.seed, "cell": [cell.domain, cell.wall, cell.method, cell.feature], "backends": found.backends,
            "refused": found.refused, "faults": found.faults, "seconds": round(found.seconds, 2)}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
