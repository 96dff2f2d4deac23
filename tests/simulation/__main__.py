"""python -m tests.simulation: many seeds of a kind of run, or one of them again."""

import argparse
import sys

from tests.simulation.campaign import RUNS, Summary, run_seeds

_SHOWN = 5  # failing seeds told in full


def main() -> int:
    """0 where everything held, 1 where something did not, 2 where a kind of fault never happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--kind", choices=RUNS, default="federation", help="what is run (%(default)s)")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to run (%(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="in how many processes (%(default)s)")
    parser.add_argument("--seed", type=int, help="run this one seed again")
    parser.add_argument("-v", "--verbose", action="store_true", help="with --seed: print everything that happened")
    options = parser.parse_args()
    if options.seed is not None:
        return _one(options.kind, options.seed, options.verbose)
    summary = run_seeds(range(options.start, options.start + options.seeds), options.jobs, _progress, options.kind)
    print()
    for report in summary.failed[:_SHOWN]:
        print("\n".join(report.story()))
        again = f"python -m tests.simulation --kind {options.kind} --seed {report.seed} -v"
        print(f"  again, with everything that happened: {again}")
    print("\n".join(summary.lines()))
    if summary.failed:
        return 1
    return 2 if summary.never_happened else 0


def _one(kind: str, seed: int, verbose: bool) -> int:
    report = RUNS[kind].run(seed)
    if verbose:
        print("\n".join(map(str, report.events)))
    print("\n".join(report.story()) if report.violations else f"seed {seed}: everything held")
    print(f"history {report.digest}")
    return 1 if report.violations else 0


def _progress(summary: Summary) -> None:
    print(f"\r{summary.seeds} seeds, {len(summary.failed)} failed", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
