"""Check and time emitted Triton kernels on a GPU, every result one JSON line, no failure stops the rest.

    python -m benchmarks.device --out FOLDER                 on a GPU, from the folder that holds generated/
    python -m benchmarks.device --out FOLDER --smoke         on a CPU: the same code at tiny sizes, in the interpreter

Checks: every package against its reference in float64 with all gradients, at odd and large sizes, with memory that
holds NaN; groups of 1 to 12 channels; waits for the host; CUDA graphs; streams; torch.compile; more than 2^31 numbers;
functions against mpmath; compute-sanitizer where there is one. Then times. ``metrigen build benchmarks/specs/layer.py
--out bench_packages`` adds the uncoupled wave.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.device import processes
from benchmarks.device.run import Run, found

REPORTED = ("time", "warps", "piece", "environment")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny, on a CPU, in Triton's interpreter")
    parser.add_argument("--out", default=".", help="folder of results.jsonl and log.txt")
    parser.add_argument("--packages", nargs="+", default=["generated", "bench_packages"], help="folders of packages")
    parser.add_argument("--names", nargs="*", help="packages to look at; all of them")
    parser.add_argument("--seconds", type=float, default=540, help="time for everything")
    parser.add_argument("--together", type=int, default=6, help="checks that run side by side")
    parser.add_argument("--only", nargs="*", help="parts: correct hazard functions sanitizer time pieces others warps")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    Path(options.out).mkdir(parents=True, exist_ok=True)
    if options.smoke:  # before torch and the kernels are imported
        os.environ.update(TRITON_INTERPRET="1", METRIGEN_CPU_KERNELS="0")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    sys.path[:0] = [str(Path(folder).resolve().parent) for folder in options.packages]
    names = [n for n in found(options.packages) if not options.names or n.rsplit(".", 1)[-1] in options.names]
    if not names:
        sys.exit(f"no emitted package in {', '.join(options.packages)}; metrigen build specs/ makes them")
    run = Run(Path(options.out) / "results.jsonl", tuple(names), options.smoke)
    if options.part:
        return child(run, options.part)
    processes.everything(run, options)
    return table(run)


def child(run: Run, part: str) -> int:
    """One part, in a process of its own."""
    from benchmarks.device import parts

    parts.run_part(run, part)
    return 0


def table(run: Run) -> int:
    """What matters of the results; 1 where something failed."""
    text = run.results.read_text(encoding="utf-8") if run.results.exists() else ""
    lines = [json.loads(line) for line in text.splitlines()]
    bad = [line for line in lines if line.get("ok") is False]
    print(f"\n{len(lines)} results, {len(bad)} failures")
    for line in bad:
        print("FAIL", line["part"], line["case"], {k: v for k, v in line.items() if k not in ("part", "case", "ok")})
    for line in lines:
        if line["part"] in REPORTED:
            more = {k: v for k, v in line.items() if k not in ("part", "case", "ok", "seconds")}
            print(line["part"], line["case"], more)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
