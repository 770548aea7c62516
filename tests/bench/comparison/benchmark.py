# SPDX-License-Identifier: MIT
"""A benchmark of mounts from what it requires to its report."""

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from typing import NoReturn

from . import command_line, machine, plot, subjects, table, workloads
from .inputs import MIB, QUICK, Sizes
from .programs import Failed, run
from .subjects import Subject
from .summary import Result
from .turns import Turns, say
from .workloads import Phase, Settings

SKIPPED = 4  # as Catch2 has it
DESCRIPTORS = 1 << 19


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """What a benchmark of mounts is, besides what they all share."""

    description: str
    programs: tuple[str, ...]  # that it can't do without
    phases: Callable[[Settings], list[Phase]]
    prepare: Callable[[Settings, pathlib.Path, int], None]  # the source, for so many subjects
    modules: tuple[str, ...] = ()  # of Python's that it can't do without either
    subjects: tuple[str, ...] = ()  # patterns of names: what is compared unless told otherwise
    adapt: Callable[[Subject], Subject] = lambda subject: subject


def require(there: bool, reason: str) -> None:
    """Says what the machine lacks; under CI it ought to lack nothing."""
    if not there:
        say(f"{pathlib.Path(sys.argv[0]).name}: {reason}")
        sys.exit(1 if os.environ.get("CI") else SKIPPED)


def require_all(benchmark: Benchmark, options: argparse.Namespace) -> None:
    require(os.geteuid() == 0, "needs root, for passthrough and to drop caches")
    require(os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse can't be opened")
    for program in (*benchmark.programs, *(("gnuplot",) if options.svg else ())):
        require(shutil.which(program) is not None,
                f"{program} isn't there (packaging/install-deps bench)")
    for module in benchmark.modules:
        require(importlib.util.find_spec(module) is not None,
                f"python3-{module} isn't there (packaging/install-deps bench)")
    for program in (options.mmapdirfs, mount_bench(options)):
        require(shutil.which(program) is not None, f"{program} isn't built (packaging/test)")


def mount_bench(options: argparse.Namespace) -> pathlib.Path:
    return options.programs / "mmapdirfs_mount_bench"


def versions(options: argparse.Namespace) -> dict[str, str]:
    """The first line that each program says of itself."""
    found = {}
    for name, program in {"mmapdirfs": options.mmapdirfs, "bindfs": "bindfs",
                          "mergerfs": "mergerfs", "fio": "fio"}.items():
        with contextlib.suppress(Failed):
            found[name] = run([program, "--version"]).splitlines()[0]
    return found


def subjects_of(benchmark: Benchmark, options: argparse.Namespace,
                kernel_has_uring: bool) -> tuple[list[Subject], dict[str, str]]:
    """Those to compare, and those that can't be, with the reason."""
    offer = subjects.offered(options.mmapdirfs, options.passthrough_hp, kernel_has_uring)
    patterns = options.subjects or benchmark.subjects
    left_out = {name: reason for name, reason in offer.left_out.items()
                if subjects.is_chosen(name, patterns)}
    for name, reason in left_out.items():
        say(f"left out: {name}: {reason}")
    return [benchmark.adapt(subject) for subject in offer.subjects
            if subjects.is_chosen(subject.name, patterns)], left_out


def allow_descriptors() -> int:
    """passthrough_hp has one for each file that the kernel knows."""
    allowed = machine.allow_descriptors(DESCRIPTORS)
    if allowed < DESCRIPTORS:
        say(f"no daemon may have more than {allowed} descriptors here")
    return allowed


def compare(benchmark: Benchmark, options: argparse.Namespace, work: pathlib.Path,
            kernel_has_uring: bool) -> Result:
    sizes = QUICK if options.quick else Sizes()
    if options.file_size:
        sizes = dataclasses.replace(sizes, file=options.file_size * MIB)
    settings = Settings(sizes, options.runtime,
                        mount_bench(options), work)
    phases = workloads.chosen(benchmark.phases(settings), options.only)
    if not phases:
        raise Failed("no line has such a name")
    compared, left_out = subjects_of(benchmark, options, kernel_has_uring)
    descriptors = allow_descriptors()
    say("making the files")
    source = work / "source"
    source.mkdir()
    benchmark.prepare(settings, source, len(compared))
    turns = Turns(compared, source, work)
    figures = turns.take(phases, options.repeat)
    return {"date": date.today().isoformat(), "kernel": os.uname().release,
            "cpus": os.cpu_count(), "memory": machine.memory_bytes(),
            "descriptors": descriptors, "versions": versions(options),
            "settings": {"runtime": settings.runtime, **dataclasses.asdict(settings.sizes)},
            "lines": [dataclasses.asdict(line) for phase in phases
                      for workload in phase.workloads for line in workload.lines],
            "subjects": [subject.name for subject in compared], "left_out": left_out,
            "failures": turns.failures, "turns": figures}


def measure(benchmark: Benchmark, options: argparse.Namespace) -> Result:
    require_all(benchmark, options)
    with (tempfile.TemporaryDirectory(dir=options.work, prefix="bench-") as directory,
          machine.uring_enabled() as kernel_has_uring):
        work = pathlib.Path(directory)
        work.chmod(0o755)
        return compare(benchmark, options, work, kernel_has_uring)


def report(options: argparse.Namespace, result: Result) -> None:
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(table.text(result))
    if options.markdown:
        options.markdown.write_text(table.markdown(result))
    if options.svg:
        plot.write_svg(result, options.svg)


def end(_signal: int, _frame: object) -> NoReturn:
    """Ends as an exception does, so that all is unmounted."""
    sys.exit(1)


def main(benchmark: Benchmark) -> None:
    options = command_line.parse(benchmark.description)
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, end)
    os.environ["LC_ALL"] = "C.UTF-8"
    os.umask(0o022)
    try:
        result = (json.loads(options.show.read_text()) if options.show
                  else measure(benchmark, options))
        report(options, result)
    except (Failed, OSError) as error:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {error}")
    if result["failures"]:
        sys.exit(f"failed, at least in part: {'; '.join(result['failures'])}")
