#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads through mmapdirfs against the source directory, in one run; MB/s.

    packaging/install-deps bench
    tests/bench/mount_reads.py [--quick] [--json FILE]

One file is read warm (the source's pages are in memory) on the source itself, through mmapdirfs in
each read path and through bindfs, in turn, `--repeat` times; each figure is the median, and each
ratio the median of the ratios within a turn. fio does the reading, with its cache invalidation
off. Then each mount is read by three processes at once, and the growth of the page cache is
compared with the file's size. Needs root: to drop caches, and for passthrough.
"""

import os
import pathlib
import subprocess
import tempfile

import subjects
from subjects import Figures, Subject, fail

RANDOM = ["--rw=randread", "--bs=4k", "--norandommap"]
SEQUENTIAL = ["--rw=read", "--bs=1M", "--ioengine=psync"]
LINES = {
    "sequential 1 MiB": SEQUENTIAL,
    "random 4 KiB, 1 job": [*RANDOM, "--ioengine=psync"],
    "random 4 KiB, 4 jobs": [*RANDOM, "--ioengine=psync", "--numjobs=4"],
    "random 4 KiB mapped": [*RANDOM, "--ioengine=mmap"],
}


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
    def __init__(self, options, work: pathlib.Path):
        self.options = options
        self.source = work / "source"
        self.source.mkdir()
        self.work = work
        self.ways = subjects.subjects(options.mmapdirfs)

    def make_file(self) -> None:
        with open(self.source / "file", "wb") as out:
            for _ in range(self.options.size // (1 << 20)):
                out.write(os.urandom(1 << 20))

    def bandwidth(self, directory: pathlib.Path, arguments: list[str]) -> float:
        arguments = ["--readonly", *arguments]
        return subjects.fio(directory / "file", self.options.size,
                            arguments)["read"]["bw_bytes"] / 1e6

    def turn(self) -> Figures:
        """Every line on every subject, once. A first pass needs a mount that has read nothing."""
        timed = ["--time_based", f"--runtime={self.options.runtime}"]
        with subjects.all_mounted(self.ways, self.source, self.work) as directories:
            figures = {"sequential 1 MiB, first pass": {
                name: self.bandwidth(directory, SEQUENTIAL)
                for name, directory in directories.items()}}
            for line, arguments in LINES.items():
                figures[line] = {name: self.bandwidth(directory, [*arguments, *timed])
                                 for name, directory in directories.items()}
        return figures

    def page_cache(self, subject: Subject) -> float:
        """Page-cache growth over the file's size after three concurrent readers."""
        with subjects.mounted(subject, self.source, self.work / "mount") as directory:
            drop_caches()
            before = cached_bytes()
            readers = [subprocess.Popen(["cat", directory / "file"], stdout=subprocess.DEVNULL)
                       for _ in range(3)]
            if any(reader.wait() != 0 for reader in readers):
                fail(f"a reader of {directory} failed")
            return (cached_bytes() - before) / self.options.size

    def run(self) -> dict:
        self.make_file()
        self.bandwidth(self.source, SEQUENTIAL)  # warm
        turns = subjects.take_turns(self.options.repeat, self.turn)
        growth = {subject.name: self.page_cache(subject) for subject in self.ways}
        return subjects.result_of(turns, size=self.options.size, page_cache=growth)


def parse():
    parser = subjects.parser(__doc__)
    parser.add_argument("--size", type=int, default=1 << 30, help="of the file, in bytes")
    parser.add_argument("--runtime", type=int, default=4, help="seconds a line")
    options = parser.parse_args()
    if options.quick:
        options.size, options.runtime, options.repeat = 64 << 20, 1, 1
    return options


def main() -> None:
    options = parse()
    subjects.require("fio", "bindfs", options.mmapdirfs)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="mount_reads-") as work:
        result = Benchmark(options, pathlib.Path(work)).run()
    subjects.finish(options, result)
    cells = {name: f"{growth:.2f}" for name, growth in result["page_cache"].items()}
    subjects.print_table(result["turns"], {"page cache, 3 readers / size": cells})


if __name__ == "__main__":
    main()
