# SPDX-License-Identifier: MIT
"""Many small files: opened, looked at, listed, searched, published."""

import json
import tempfile
import time

from . import inputs
from .mounts import Place
from .programs import Failed, run
from .workloads import Line, Settings, Workload


class Command:
    """A program that goes over a directory and prints a line for each thing that it finds there:
    as many lines on each subject as the first time."""

    def __init__(self, words: list[str], directory: str, files: int, seconds: float):
        self.words = words
        self.directory = directory
        self.files = files
        self.seconds = seconds
        self.lines: int | None = None

    def once(self, place: Place) -> None:
        with tempfile.TemporaryFile() as out:
            run([*self.words, place.directory / self.directory], stdout=out)
            out.seek(0)
            lines = out.read().count(b"\n")
        self.lines = self.lines or lines
        if lines != self.lines:
            raise Failed(f"{self.words[0]} prints {lines} lines rather than {self.lines}")

    def passes(self, place: Place) -> tuple[float, float]:
        """Files a second of the first run, and of those after it until the time is over."""
        began = time.perf_counter()
        self.once(place)
        first = time.perf_counter() - began
        runs, began, later = 0, time.perf_counter(), 0.0
        while runs == 0 or later < self.seconds:
            self.once(place)
            runs += 1
            later = time.perf_counter() - began
        return self.files / first, self.files * runs / later


class SmallFiles:
    def __init__(self, settings: Settings):
        self.settings = settings

    def bench(self, work: str, place: Place) -> dict[str, float]:
        milliseconds = round(self.settings.runtime * 1000)
        return json.loads(run([self.settings.mount_bench, work,
                               place.directory / inputs.SMALL_FILES,
                               str(self.settings.sizes.small_files), str(milliseconds)]))

    def open_read_close(self, place: Place) -> tuple[float, float]:
        figures = self.bench("open-read-close", place)
        return figures["first_pass"], figures["later_passes"]

    def stat(self, place: Place) -> tuple[float]:
        return (self.bench("stat", place)["later_passes"],)

    def failing_stat(self, place: Place) -> tuple[float]:
        return (self.bench("failing-stat", place)["later_passes"],)

    def publish(self, place: Place) -> tuple[float]:
        with place.fresh_directory() as directory:
            figures = json.loads(run([self.settings.mount_bench, "publish", directory,
                                      str(self.settings.sizes.published_files), "0"]))
        return (figures["first_pass"],)


def first_and_second(name: str) -> tuple[Line, Line]:
    return Line(f"{name}, first pass", "files/s"), Line(f"{name}, second pass", "files/s")


def small_files(settings: Settings) -> list[Workload]:
    work = SmallFiles(settings)
    return [
        Workload(first_and_second("open+read+close of 4 KiB files"), work.open_read_close),
        Workload((Line("stat", "files/s"),), work.stat),
        Workload((Line("failing stat", "names/s"),), work.failing_stat),
    ]


def searching(settings: Settings) -> list[Workload]:
    rg = Command(["rg", "--no-config", inputs.word(100)], inputs.TEXTS, settings.sizes.texts,
                 settings.runtime)
    return [Workload(first_and_second("rg of a word"), rg.passes)]


def long_listing(settings: Settings) -> list[Workload]:
    ls = Command(["ls", "-l"], inputs.LISTED_FILES, settings.sizes.listed_files, settings.runtime)
    return [Workload(first_and_second("ls -l"), ls.passes)]


def finding(settings: Settings) -> list[Workload]:
    find = Command(["find"], inputs.TREE, settings.sizes.tree_files, settings.runtime)
    return [Workload(first_and_second("find"), find.passes)]


def publishing(settings: Settings) -> list[Workload]:
    return [Workload((Line("create, write, close, rename", "files/s"),),
                     SmallFiles(settings).publish)]
