"""Measures the product beside its peers and writes docs/benchmarks.md and the pages it sums up.

python -m bench                        everything; about a quarter of an hour on two cores
python -m bench throughput rate        some sections; the others keep their pages
python -m bench --quick                small sizes, printed instead of written: does it still run?
"""

import argparse
import sys
import time
from collections.abc import Callable
from importlib import import_module

from bench.outcome import NotMeasuredError, Section
from bench.report import REPORT, render, write_section
from bench.server import WORK, NoCompilerError

SECTIONS: dict[str, tuple[str, str]] = {
    "throughput": ("bench.throughput", "run"),
    "requests": ("bench.request_counts", "run"),
    "rate": ("bench.rate", "run"),
    "limiter": ("bench.limiter", "run"),
    "landing": ("bench.landing", "run"),
    "models": ("bench.model_builds", "run"),
    "freshness": ("bench.freshness", "run"),
    "waiting": ("bench.waiting", "section"),
    "claims": ("bench.claims", "run"),
    "lake": ("bench.lake", "run"),
    "startup": ("bench.startup", "run"),
    "idle": ("bench.idle", "run"),
}


def main() -> int:
    """Run the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, result on screen only")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"unknown section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    WORK.mkdir(exist_ok=True)
    left_out = False
    for name in options.sections or SECTIONS:
        begun = time.perf_counter()
        print(f"{name} ...", end=" ", flush=True)
        try:
            section = _run(name, options.quick)
        except NoCompilerError as error:
            print(error, file=sys.stderr)
            return 2
        except NotMeasuredError as error:
            print(f"not measured, and its page stays as it is: {error}", flush=True)
            left_out = True
            continue
        print(f"{time.perf_counter() - begun:.0f} s", flush=True)
        if options.quick:
            print(render(section))
        else:
            write_section(name, section, list(SECTIONS))
    if not options.quick:
        print(f"written to {REPORT}")
    return 2 if left_out and options.sections else 0


def _run(name: str, quick: bool) -> Section:
    module, function = SECTIONS[name]
    measure: Callable[..., Section] = getattr(import_module(module), function)
    if name == "waiting":
        return measure(seconds=5.0, counts=(1, 20)) if quick else measure()
    return measure(quick)


if __name__ == "__main__":
    raise SystemExit(main())
