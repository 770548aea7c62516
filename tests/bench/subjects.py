# SPDX-License-Identifier: MIT
"""What the benchmarks of mounts share: the ways to a directory that are compared, the turns in which
they are, and the table of medians that comes out."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
from datetime import date

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = "source"

# Line -> subject -> figure; more is better.
Figures = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A way to the directory: a mount command's words before SOURCE MOUNTPOINT, or none."""

    name: str
    mount: tuple[str, ...] = ()


def subjects(daemon: pathlib.Path) -> list[Subject]:
    return [
        Subject(SOURCE),
        Subject("passthrough", (str(daemon), "--read-path=passthrough")),
        Subject("mapped", (str(daemon), "--read-path=mapped")),
        Subject("mapped, cache=never", (str(daemon), "--read-path=mapped", "--cache=never")),
        Subject("bindfs", ("bindfs",)),
    ]


def fail(message: str) -> None:
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def run(command: list, **options) -> str:
    """What the command printed; its failure ends the benchmark."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done.stdout


def fio(file: pathlib.Path, size: int, arguments: list[str]) -> dict:
    """The figures of fio's jobs on a warm file, added up: {"read": {...}, "write": {...}}."""
    jobs = json.loads(run(["fio", "--name=job", f"--filename={file}", f"--size={size}",
                           "--invalidate=0", "--thread", "--output-format=json",
                           *arguments]))["jobs"]
    return {way: {key: sum(job[way][key] for job in jobs) for key in ("bw_bytes", "iops")}
            for way in ("read", "write")}


@contextlib.contextmanager
def mounted(subject: Subject, source: pathlib.Path, mountpoint: pathlib.Path):
    """The directory to work in; mounted for as long as the context lasts."""
    if not subject.mount:
        yield source
        return
    mountpoint.mkdir(exist_ok=True)
    subprocess.run([*subject.mount, source, mountpoint], check=True, stderr=subprocess.DEVNULL)
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint], check=True)


@contextlib.contextmanager
def all_mounted(ways: list[Subject], source: pathlib.Path, work: pathlib.Path):
    """The directories of all subjects, by name."""
    with contextlib.ExitStack() as stack:
        yield {subject.name: stack.enter_context(mounted(subject, source, work / f"mount{number}"))
               for number, subject in enumerate(ways)}


def take_turns(repeat: int, turn) -> list[Figures]:
    turns = []
    for number in range(repeat):
        print(f"turn {number + 1} of {repeat}", file=sys.stderr)
        turns.append(turn())
    return turns


def result_of(turns: list[Figures], **more) -> dict:
    return {"date": date.today().isoformat(), "kernel": os.uname().release,
            "cpus": os.cpu_count(), "turns": turns, **more}


def summary(turns: list[Figures], line: str, name: str) -> str:
    """The median figure, and the median of its ratios to the source's within a turn."""
    figure = statistics.median(turn[line][name] for turn in turns)
    ratio = statistics.median(turn[line][name] / turn[line][SOURCE] for turn in turns)
    return f"{figure:10,.0f} {ratio:6.2f}"


def print_table(turns: list[Figures], extra: dict[str, dict[str, str]] | None = None) -> None:
    """A row a line; `extra` rows hold finished cells."""
    names = list(next(iter(turns[0].values())))
    rows = {line: {name: summary(turns, line, name) for name in names} for line in turns[0]}
    rows.update(extra or {})
    width = max(map(len, names)) + 3
    head = max(map(len, rows)) + 2
    print(f"{'(and ratio to the source)':{head}}" + "".join(f"{name:>{width}}" for name in names))
    for line, cells in rows.items():
        print(f"{line:{head}}" + "".join(f"{cells[name]:>{width}}" for name in names))


def parser(doc: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=doc,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="little work, once: a smoke test")
    made.add_argument("--repeat", type=int, default=5, help="turns")
    made.add_argument("--json", type=pathlib.Path, help="write all figures there")
    made.add_argument("--work", type=pathlib.Path, default=ROOT / "build",
                      help="make the files beneath this directory")
    made.add_argument("--mmapdirfs", type=pathlib.Path,
                      default=ROOT / "build/release/bin/mmapdirfs")
    return made


def require(*programs) -> None:
    if os.geteuid() != 0:
        fail("run it as root")
    for program in programs:
        if shutil.which(program) is None:
            fail(f"{program} isn't there; packaging/install-deps bench installs what benchmarks "
                 "need, packaging/test builds mmapdirfs and their programs")


def finish(options: argparse.Namespace, result: dict) -> None:
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
