# SPDX-License-Identifier: MIT
"""Reading and writing one large file, by fio."""

import pathlib

from . import inputs, machine
from .mounts import Place
from .programs import fio, for_seconds, run
from .workloads import Line, Settings, Workload

SEQUENTIAL_READ = ["--readonly", "--rw=read", "--bs=1M", "--ioengine=psync"]
# Without a look at the clock for each 4 KiB, which takes fio as long as the read.
RANDOM_READ = ["--readonly", "--rw=randread", "--bs=4k", "--norandommap", "--gtod_reduce=1"]
SEQUENTIAL_WRITE = ["--rw=write", "--bs=1M", "--ioengine=psync", "--overwrite=1"]
RANDOM_WRITE = ["--rw=randwrite", "--bs=4k", "--norandommap", "--ioengine=psync", "--overwrite=1",
                "--gtod_reduce=1"]
GIB = 1 << 30


def read_to_the_end(file: pathlib.Path) -> None:
    buffer = bytearray(inputs.MIB)
    with file.open("rb", buffering=0) as opened:
        while opened.readinto(buffer):
            pass


class Reads:
    def __init__(self, settings: Settings):
        self.size = settings.sizes.file
        self.timed = for_seconds(settings.runtime)

    def bandwidth(self, place: Place, *more: str) -> float:
        figures = fio(place.directory / inputs.FILE, self.size, [*SEQUENTIAL_READ, *more])
        return figures["read"]["bw_bytes"] / 1e6

    def sequential(self, place: Place) -> tuple[float, float, float]:
        before = place.daemon_seconds()
        first = self.bandwidth(place)
        daemon_seconds = place.daemon_seconds() - before
        return first, self.bandwidth(place, *self.timed), daemon_seconds / (self.size / GIB)

    def random(self, place: Place, *more: str) -> tuple[float]:
        file = place.directory / inputs.FILE
        read_to_the_end(file)
        return (fio(file, self.size, [*RANDOM_READ, *self.timed, *more])["read"]["iops"],)

    def cold(self, place: Place) -> tuple[float, float]:
        machine.drop_caches()
        run(["fio", "--version"])  # its own pages aren't to be counted
        before = machine.cached_bytes()
        return self.bandwidth(place), (machine.cached_bytes() - before) / self.size


def reads(settings: Settings) -> list[Workload]:
    work = Reads(settings)
    return [
        Workload((Line("sequential 1 MiB read, first pass", "MB/s"),
                  Line("sequential 1 MiB read, second pass", "MB/s"),
                  Line("daemon CPU, sequential first pass", "s/GiB", is_cost=True)),
                 work.sequential),
        Workload((Line("random 4 KiB pread, 1 job", "reads/s"),),
                 lambda place: work.random(place, "--ioengine=psync")),
        Workload((Line("random 4 KiB pread, 4 jobs", "reads/s"),),
                 lambda place: work.random(place, "--ioengine=psync", "--numjobs=4")),
        Workload((Line("random 4 KiB mapped read", "reads/s"),),
                 lambda place: work.random(place, "--ioengine=mmap")),
    ]


def cold_reads(settings: Settings) -> list[Workload]:
    return [Workload((Line("sequential 1 MiB read, cold", "MB/s"),
                      Line("page-cache bytes per byte read", "B", is_cost=True)),
                     Reads(settings).cold)]


def writes(settings: Settings) -> list[Workload]:
    """Over a file that is there, so that its allocation isn't measured."""
    def write(place: Place, arguments: list[str], figure: str) -> float:
        return fio(place.own / inputs.FILE, settings.sizes.written_file,
                   [*arguments, *for_seconds(settings.runtime)])["write"][figure]

    return [
        Workload((Line("sequential 1 MiB write", "MB/s"),),
                 lambda place: (write(place, SEQUENTIAL_WRITE, "bw_bytes") / 1e6,)),
        Workload((Line("random 4 KiB write", "writes/s"),),
                 lambda place: (write(place, RANDOM_WRITE, "iops"),)),
    ]
