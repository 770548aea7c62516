#!/usr/bin/python3 -B
# SPDX-License-Identifier: MIT
"""A closer look at writing than tests/bench/compare takes: logs, trees, databases.

    packaging/install-deps bench && packaging/test
    tests/bench/mount_writes.py [--quick] [--json FILE]

Turn by turn and line by line all subjects take their turns, each with files of its own on one
source directory. Needs root: for passthrough, and to become the user that PostgreSQL wants, who
has to be able to reach the directory that --work names.
"""

import contextlib
import dataclasses
import pathlib
import shutil
import sqlite3
import tempfile
import time
from typing import Any

from comparison import file_work, inputs, name_work
from comparison.benchmark import Benchmark, main
from comparison.mounts import Place
from comparison.programs import fio, run
from comparison.subjects import Subject
from comparison.workloads import Line, Mounting, Phase, Settings, Workload

APPENDS = ["--rw=write", "--bs=512", "--ioengine=psync", "--fdatasync=1", "--file_append=1",
           "--fallocate=none"]
POSTGRES_USER = "postgres"
TREE = "tree.tar"


class Writes:
    def __init__(self, settings: Settings):
        self.settings = settings

    def append(self, place: Place) -> tuple[float]:
        """Ends with the time, or with the bytes of the file that is written over elsewhere."""
        with place.fresh_directory() as directory:
            seconds = f"--runtime={round(self.settings.runtime * 1000)}ms"
            figures = fio(directory / "log", self.settings.sizes.written_file, [*APPENDS, seconds])
        return (figures["write"]["iops"],)

    def untar(self, place: Place) -> tuple[float]:
        tree = self.settings.work / TREE
        files = len(run(["tar", "-tf", tree]).splitlines())
        with place.fresh_directory() as directory:
            began = time.perf_counter()
            run(["tar", "-xf", tree, "-C", directory])
            return (files / (time.perf_counter() - began),)

    def sqlite(self, place: Place, journal: str) -> tuple[float]:
        with (place.fresh_directory() as directory,
              contextlib.closing(sqlite3.connect(directory / "database",
                                                 isolation_level=None)) as database):
            database.execute(f"PRAGMA journal_mode={journal}")
            database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, text)")
            count, began = 0, time.perf_counter()
            while (took := time.perf_counter() - began) < self.settings.runtime:
                database.execute("INSERT INTO entries (text) VALUES (?)", ("x" * 100,))
                count += 1
            return (count / took,)

    def pgbench(self, place: Place) -> tuple[float]:
        with place.fresh_directory() as data, tempfile.TemporaryDirectory() as socket:
            data.chmod(0o700)
            for directory in (data, socket):
                shutil.chown(directory, POSTGRES_USER)
            programs = pathlib.Path(run(["pg_config", "--bindir"]).strip())

            def as_postgres(program: str, *arguments: Any) -> str:
                return run(["runuser", "-u", POSTGRES_USER, "--", programs / program, *arguments],
                           cwd=socket)

            as_postgres("initdb", "-D", data, "-A", "trust", "--no-sync")
            as_postgres("pg_ctl", "-D", data, "-w", "-l", f"{socket}/log", "-o",
                        f"-c listen_addresses='' -k {socket}", "start")
            try:
                as_postgres("pgbench", "-h", socket, "-i", "-q", "postgres")
                seconds = max(1, round(self.settings.runtime))
                report = as_postgres("pgbench", "-h", socket, "-c", "4", "-T", str(seconds),
                                     "postgres")
            finally:
                as_postgres("pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
        return (float(report.split("tps = ")[1].split()[0]),)


def phases(settings: Settings) -> list[Phase]:
    work = Writes(settings)
    return [Phase(Mounting.TOGETHER, [
        *file_work.writes(settings),
        Workload((Line("append 512 B + fdatasync", "appends/s"),), work.append),
        *name_work.publishing(settings),
        Workload((Line("untar of a source tree", "files/s"),), work.untar),
        Workload((Line("SQLite, rollback journal", "transactions/s"),),
                 lambda place: work.sqlite(place, "DELETE")),
        Workload((Line("SQLite, WAL", "transactions/s"),),
                 lambda place: work.sqlite(place, "WAL")),
        Workload((Line("pgbench, 4 clients", "transactions/s"),), work.pgbench),
    ], is_writing=True)]


def prepare(settings: Settings, source: pathlib.Path, subjects: int) -> None:
    inputs.make_own_directories(source, subjects, settings.sizes.written_file)
    run(["tar", "-cf", settings.work / TREE, "-C", "/usr", "include"])


def for_everybody(subject: Subject) -> Subject:
    """PostgreSQL doesn't run as root; bindfs lets others in by itself where root mounts."""
    if not subject.command or subject.name == "bindfs":
        return subject
    return dataclasses.replace(subject, command=(*subject.command, "-o", "allow_other"))


if __name__ == "__main__":
    main(Benchmark(__doc__, ("fio", "tar", "pg_config"), phases, prepare,
                   subjects=("passthrough", "mapped", "mapped, cache=never", "bindfs"),
                   adapt=for_everybody))
