# SPDX-License-Identifier: MIT
"""The options that all benchmarks of mounts have."""

import argparse
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
QUICK_SECONDS = 0.1


def parse(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little work, once: a smoke test")
    parser.add_argument("--repeat", type=int, help="turns (5; 1 with --quick)")
    parser.add_argument("--runtime", type=float,
                        help=f"seconds for what goes on and on (1; {QUICK_SECONDS} with --quick)")
    parser.add_argument("--file-size", type=int, metavar="MIB",
                        help="size of the large file (512; 32 with --quick)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN",
                        help="lines with such names, as 'find*'")
    parser.add_argument("--subjects", nargs="+", default=[], metavar="PATTERN",
                        help="subjects with such names, as 'mapped*'; the source is always there")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE", help="plot the ratios there")
    parser.add_argument("--markdown", type=pathlib.Path, metavar="FILE",
                        help="write a table of the medians there")
    parser.add_argument("--show", type=pathlib.Path, metavar="FILE",
                        help="measure nothing: show the figures that --json wrote there")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build", metavar="DIRECTORY",
                        help="make the files beneath it (build)")
    parser.add_argument("--mmapdirfs", type=pathlib.Path, metavar="PROGRAM",
                        default=ROOT / "build/release/bin/mmapdirfs")
    parser.add_argument("--programs", type=pathlib.Path, metavar="DIRECTORY",
                        default=ROOT / "build/release/tests",
                        help="where the benchmarks' own programs are (build/release/tests)")
    parser.add_argument("--passthrough-hp", type=pathlib.Path, metavar="PROGRAM",
                        default=ROOT / "build/deps-bench/bin/passthrough_hp")
    options = parser.parse_args()
    options.repeat = options.repeat or (1 if options.quick else 5)
    options.runtime = options.runtime or (QUICK_SECONDS if options.quick else 1.0)
    return options
