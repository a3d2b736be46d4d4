"""`python -m benchmarks`: measures, prints, and writes what was measured."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import surroundings


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description="dezero beside NumPy by hand and its peers, in one process"
    )
    parser.add_argument("--only", metavar="A,B", help="these workloads, by the start of their names")
    parser.add_argument("--quick", action="store_true", help="tiny and once: that all agree, no more")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="write a picture there")
    parser.add_argument("--parts", metavar="A,B", help="instead: what the time of these is made of")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives its exit code."""
    options = options_of(arguments)
    surroundings.prepare()
    # Only now: threads are counted when these are loaded.
    from benchmarks import parts, peers, report, suite
    from benchmarks.timing import Measured

    if options.parts:
        names = options.parts.split(",")
        if unknown := [name for name in names if name not in parts.WORKLOADS]:
            print(
                f"no workload with parts is called {', '.join(unknown)}; "
                f"there are: {', '.join(parts.WORKLOADS)}",
                file=sys.stderr,
            )
            return 2
        parts.show(names, options.quick)
        return 0
    missing = peers.missing()
    present = [name for name in peers.CONTENDERS if name not in missing]
    chosen = suite.measurements(options.quick)
    if options.only:
        starts = tuple(options.only.split(","))
        unknown = [start for start in starts if not any(name.startswith(start) for name in chosen)]
        if unknown:
            print(
                f"no workload is called {', '.join(unknown)}; there are: {', '.join(chosen)}",
                file=sys.stderr,
            )
            return 2
        chosen = {name: run for name, run in chosen.items() if name.startswith(starts)}
    print(", ".join(f"{name} {v}" for name, v in peers.versions().items()))
    print(f"not installed: {', '.join(missing) or 'none'}; one thread; median (quartiles)\n")
    for name in present[2:]:
        peers.module(name)
    # The collector stays on; but nobody shall pay for the modules that others have loaded.
    gc.freeze()
    measured: dict[str, Measured] = {}
    for name, run in chosen.items():
        measured[name] = run(present)
        print("\n".join(report.rows_of(measured[name])), flush=True)
    if not options.quick:  # tiny sizes say nothing of the goals
        print("\nGoals\n" + "\n".join(report.goal_rows(measured)))
    texts = (report.to_json(measured, missing), report.to_svg(measured))
    for path, text in zip((options.json, options.svg), texts, strict=True):
        if path is not None:
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                print(f"{path} cannot be written: {error}", file=sys.stderr)
                return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
