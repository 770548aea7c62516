#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads through mmapdirfs against the source directory, in one run.

    packaging/install-deps bench
    tests/bench/mount_reads.py [--quick] [--json FILE]

One file is read warm (the source's pages are in memory) on the source itself, through mmapdirfs in
each read path and through bindfs, in turn, `--repeat` times; each figure is the median, and each
ratio the median of the ratios within a turn. fio does the reading, with its cache invalidation
off. Then each mount is read by three processes at once, and the growth of the page cache is
compared with the file's size. Needs root: to drop caches, and for passthrough.
"""

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
import tempfile
from datetime import date

ROOT = pathlib.Path(__file__).resolve().parents[2]

RANDOM = ["--rw=randread", "--bs=4k", "--norandommap"]
LINES = {
    "sequential 1 MiB": ["--rw=read", "--bs=1M", "--ioengine=psync"],
    "random 4 KiB, 1 job": [*RANDOM, "--ioengine=psync"],
    "random 4 KiB, 4 jobs": [*RANDOM, "--ioengine=psync", "--numjobs=4"],
    "random 4 KiB mapped": [*RANDOM, "--ioengine=mmap"],
}
FIRST_PASS = "sequential 1 MiB, first pass"


@dataclasses.dataclass(frozen=True)
class Subject:
    """A way to the file: a mount command's words before SOURCE MOUNTPOINT, or none."""

    name: str
    mount: tuple[str, ...] = ()


def fail(message: str) -> None:
    sys.exit(f"mount_reads: {message}")


def bandwidth(file: pathlib.Path, size: int, arguments: list[str]) -> float:
    """fio's bytes a second, all jobs together."""
    command = ["fio", "--name=read", f"--filename={file}", f"--size={size}", "--readonly",
               "--invalidate=0", "--thread", "--output-format=json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"{' '.join(command)}: {done.stderr}")
    return sum(job["read"]["bw_bytes"] for job in json.loads(done.stdout)["jobs"])


@contextlib.contextmanager
def mounted(subject: Subject, source: pathlib.Path, mountpoint: pathlib.Path):
    """The directory to read from; mounted for as long as the context lasts."""
    if not subject.mount:
        yield source
        return
    mountpoint.mkdir(exist_ok=True)
    subprocess.run([*subject.mount, source, mountpoint], check=True, stderr=subprocess.DEVNULL)
    try:
        yield mountpoint
    finally:
        subprocess.run(["umount", mountpoint], check=True)


def cached_bytes() -> int:
    """Page cache of the whole machine."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Cached:"):
            return int(line.split()[1]) * 1024
    fail("/proc/meminfo has no line 'Cached'")


def drop_caches() -> None:
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("1\n")


class Benchmark:
    def __init__(self, options: argparse.Namespace, work: pathlib.Path):
        self.options = options
        self.source = work / "source"
        self.source.mkdir()
        self.file = self.source / "file"
        self.work = work
        daemon = str(options.mmapdirfs)
        self.subjects = [
            Subject("source"),
            Subject("passthrough", (daemon, "--read-path=passthrough")),
            Subject("mapped", (daemon, "--read-path=mapped")),
            Subject("mapped, cache=never", (daemon, "--read-path=mapped", "--cache=never")),
            Subject("bindfs", ("bindfs",)),
        ]

    def make_file(self) -> None:
        with open(self.file, "wb") as out:
            for _ in range(self.options.size // (1 << 20)):
                out.write(os.urandom(1 << 20))

    def path(self, directory: pathlib.Path) -> pathlib.Path:
        return directory / self.file.name

    def turn(self) -> dict[str, dict[str, float]]:
        """Every line on every subject, once. A first pass needs a mount that has read nothing."""
        figures: dict[str, dict[str, float]] = {}
        timed = ["--time_based", f"--runtime={self.options.runtime}"]
        with contextlib.ExitStack() as stack:
            directories = {}
            for number, subject in enumerate(self.subjects):
                mountpoint = self.work / f"mount{number}"
                directories[subject.name] = stack.enter_context(
                    mounted(subject, self.source, mountpoint))
            for name, directory in directories.items():
                figures.setdefault(FIRST_PASS, {})[name] = bandwidth(
                    self.path(directory), self.options.size, LINES["sequential 1 MiB"])
            for line, arguments in LINES.items():
                for name, directory in directories.items():
                    figures.setdefault(line, {})[name] = bandwidth(
                        self.path(directory), self.options.size, [*arguments, *timed])
        return figures

    def page_cache(self, subject: Subject) -> float:
        """Page-cache growth over the file's size after three concurrent readers."""
        with mounted(subject, self.source, self.work / "mount") as directory:
            drop_caches()
            before = cached_bytes()
            readers = [subprocess.Popen(["cat", self.path(directory)], stdout=subprocess.DEVNULL)
                       for _ in range(3)]
            if any(reader.wait() != 0 for reader in readers):
                fail(f"a reader of {directory} failed")
            return (cached_bytes() - before) / self.options.size

    def run(self) -> dict:
        self.make_file()
        bandwidth(self.file, self.options.size, LINES["sequential 1 MiB"])  # warm
        turns = []
        for number in range(self.options.repeat):
            print(f"turn {number + 1} of {self.options.repeat}", file=sys.stderr)
            turns.append(self.turn())
        growth = {subject.name: self.page_cache(subject) for subject in self.subjects}
        return {"date": date.today().isoformat(), "kernel": os.uname().release,
                "cpus": os.cpu_count(), "size": self.options.size, "turns": turns,
                "page_cache": growth}


def summary(turns: list[dict], line: str, name: str) -> str:
    figures = [turn[line][name] for turn in turns]
    ratios = [turn[line][name] / turn[line]["source"] for turn in turns]
    return f"{statistics.median(figures) / 1e6:7,.0f} MB/s {statistics.median(ratios):5.2f}"


def print_table(result: dict) -> None:
    names = list(result["page_cache"])
    width = max(len(name) for name in names) + 13
    print(f"{'(ratio to the source)':30}" + "".join(f"{name:>{width}}" for name in names))
    for line in [FIRST_PASS, *LINES]:
        cells = (summary(result["turns"], line, name) for name in names)
        print(f"{line:30}" + "".join(f"{cell:>{width}}" for cell in cells))
    cells = (f"{growth:.2f}" for growth in result["page_cache"].values())
    print(f"{'page cache, 3 readers / size':30}" + "".join(f"{cell:>{width}}" for cell in cells))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small file, once: a smoke test")
    parser.add_argument("--size", type=int, default=1 << 30, help="of the file, in bytes")
    parser.add_argument("--runtime", type=int, default=4, help="seconds a line")
    parser.add_argument("--repeat", type=int, default=5, help="turns")
    parser.add_argument("--json", type=pathlib.Path, help="write all figures there")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build",
                        help="make the file beneath this directory")
    parser.add_argument("--mmapdirfs", type=pathlib.Path,
                        default=ROOT / "build/release/bin/mmapdirfs")
    options = parser.parse_args()
    if options.quick:
        options.size, options.runtime, options.repeat = 64 << 20, 1, 1
    return options


def main() -> None:
    options = parse()
    if os.geteuid() != 0:
        fail("run it as root")
    for program in ("fio", "bindfs", options.mmapdirfs):
        if shutil.which(program) is None:
            fail(f"{program} isn't there; packaging/install-deps bench installs fio and bindfs, "
                 "packaging/test builds mmapdirfs")
    with tempfile.TemporaryDirectory(dir=options.work, prefix="mount_reads-") as work:
        result = Benchmark(options, pathlib.Path(work)).run()
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print_table(result)


if __name__ == "__main__":
    main()
