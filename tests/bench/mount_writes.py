#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes through mmapdirfs against the source directory, in one run.

    packaging/install-deps bench
    tests/bench/mount_writes.py [--quick] [--json FILE]

The same work is done on the source itself, through mmapdirfs in each read path and through bindfs,
in turn, `--repeat` times; each figure is the median, and each ratio the median of the ratios within
a turn. More is better on every line. Each subject has files of its own on the same source. Needs
root: for passthrough, and to become the user that PostgreSQL wants.
"""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time

import subjects
from subjects import Figures, Subject, run

SEQUENTIAL = ["--rw=write", "--bs=1M", "--ioengine=psync"]
RANDOM = ["--rw=randwrite", "--bs=4k", "--norandommap", "--ioengine=psync"]
APPENDS = ["--rw=write", "--bs=512", "--ioengine=psync", "--fdatasync=1"]
POSTGRES_USER = "postgres"


class Benchmark:
    def __init__(self, options, work: pathlib.Path):
        self.options = options
        self.work = work
        self.source = work / "source"
        self.source.mkdir()
        self.source.chmod(0o755)
        self.ways = [self.for_everybody(way) for way in subjects.subjects(options.mmapdirfs)]
        self.tree = work / "tree.tar"
        self.lines = {
            "sequential 1 MiB, MB/s": lambda place: self.write(place, SEQUENTIAL, "bw_bytes") / 1e6,
            "random 4 KiB, writes/s": lambda place: self.write(place, RANDOM, "iops"),
            "append 512 B + fdatasync, /s": self.append,
            "create, write, close, rename, files/s": self.publish,
            "untar of a source tree, files/s": self.untar,
            "SQLite, rollback journal, transactions/s": lambda place: self.sqlite(place, "DELETE"),
            "SQLite, WAL, transactions/s": lambda place: self.sqlite(place, "WAL"),
            "pgbench, transactions/s": self.pgbench,
        }

    @staticmethod
    def for_everybody(way: Subject) -> Subject:
        """PostgreSQL doesn't run as root; bindfs lets others in by itself where root mounts."""
        is_ours = way.mount and way.name != "bindfs"
        return Subject(way.name, (*way.mount, "-oallow_other")) if is_ours else way

    def write(self, place: pathlib.Path, arguments: list[str], figure: str) -> float:
        """Overwrites a file that is there, so that the lines don't measure its allocation."""
        timed = ["--time_based", f"--runtime={self.options.runtime}", "--overwrite=1"]
        return subjects.fio(place / "file", self.options.size, [*arguments, *timed])["write"][figure]

    def append(self, place: pathlib.Path) -> float:
        """No more than `size` bytes; ends with the time or with them."""
        log = place / "log"
        log.unlink(missing_ok=True)
        arguments = [*APPENDS, "--file_append=1", "--fallocate=none",
                     f"--runtime={self.options.runtime}"]
        return subjects.fio(log, self.options.size, arguments)["write"]["iops"]

    def publish(self, place: pathlib.Path) -> float:
        return float(run([self.options.programs / "mmapdirfs_publish_bench", place,
                          str(self.options.files)]))

    def untar(self, place: pathlib.Path) -> float:
        began = time.monotonic()
        run(["tar", "-xf", self.tree, "-C", place])
        return self.tree_files / (time.monotonic() - began)

    def sqlite(self, place: pathlib.Path, journal: str) -> float:
        database = sqlite3.connect(place / f"{journal}.db", isolation_level=None)
        with contextlib.closing(database):
            database.execute(f"PRAGMA journal_mode={journal}")
            database.execute("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text)")
            count, began = 0, time.monotonic()
            while time.monotonic() - began < self.options.runtime:
                database.execute("INSERT INTO entries (text) VALUES (?)", ("x" * 100,))
                count += 1
            return count / (time.monotonic() - began)

    def pgbench(self, place: pathlib.Path) -> float:
        data, socket = place / "postgres", tempfile.mkdtemp(prefix="mount_writes-", dir="/tmp")
        data.mkdir(mode=0o700)
        for directory in (data, socket):
            shutil.chown(directory, POSTGRES_USER)
        programs = pathlib.Path(run(["pg_config", "--bindir"]).strip())

        def as_postgres(program: str, *arguments) -> str:
            return run(["runuser", "-u", POSTGRES_USER, "--", programs / program, *arguments],
                       cwd=socket, stdin=subprocess.DEVNULL)

        try:
            as_postgres("initdb", "-D", data, "-A", "trust")
            as_postgres("pg_ctl", "-D", data, "-w", "-l", f"{socket}/log", "-o",
                        f"-c listen_addresses='' -k {socket}", "start")
            try:
                as_postgres("pgbench", "-h", socket, "-i", "-q", "postgres")
                report = as_postgres("pgbench", "-h", socket, "-c", "4", "-T",
                                     str(self.options.runtime), "postgres")
            finally:
                as_postgres("pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
        finally:
            shutil.rmtree(socket)
        return float(report.split("tps = ")[1].split()[0])

    def turn(self) -> Figures:
        with subjects.all_mounted(self.ways, self.source, self.work) as directories:
            places = {}
            for number, (name, directory) in enumerate(directories.items()):
                places[name] = directory / f"files{number}"
                places[name].mkdir()
                places[name].chmod(0o755)
            figures = {line: {name: measure(place) for name, place in places.items()}
                       for line, measure in self.lines.items()}
        for directory in self.source.iterdir():
            shutil.rmtree(directory)
        return figures

    def run(self) -> dict:
        run(["tar", "-cf", self.tree, "-C", "/usr", "include"])
        self.tree_files = len(run(["tar", "-tf", self.tree]).splitlines())
        turns = subjects.take_turns(self.options.repeat, self.turn)
        return subjects.result_of(turns, size=self.options.size, files=self.options.files)


def parse():
    parser = subjects.parser(__doc__)
    parser.add_argument("--size", type=int, default=256 << 20, help="of the file, in bytes")
    parser.add_argument("--files", type=int, default=5000, help="small files to publish")
    parser.add_argument("--runtime", type=int, default=4, help="seconds a line")
    parser.add_argument("--programs", type=pathlib.Path, default=subjects.ROOT / "build/release/tests",
                        help="where the benchmarks' own programs are")
    options = parser.parse_args()
    if options.quick:
        options.size, options.files, options.runtime, options.repeat = 32 << 20, 500, 1, 1
    return options


def main() -> None:
    options = parse()
    subjects.require("fio", "bindfs", "pg_config", options.mmapdirfs,
                     options.programs / "mmapdirfs_publish_bench")
    os.umask(0o022)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="mount_writes-") as work:
        pathlib.Path(work).chmod(0o755)
        result = Benchmark(options, pathlib.Path(work)).run()
    subjects.finish(options, result)
    subjects.print_table(result["turns"])


if __name__ == "__main__":
    main()
