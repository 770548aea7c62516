# SPDX-License-Identifier: MIT
"""Turns: every workload on every subject once, the subjects one after the other on each workload,
so that whatever the machine is at meanwhile meets all of them."""

import math
import pathlib
import random
import sys
import time
from collections.abc import Iterator

from . import mounts
from .mounts import Place
from .programs import Failed
from .subjects import SOURCE, Subject
from .workloads import Line, Mounting, Phase, Workload

# Line -> subject -> figure, or why there is none.
Figures = dict[str, dict[str, float]]
Failures = dict[str, dict[str, str]]


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class Turns:
    def __init__(self, subjects: list[Subject], source: pathlib.Path, work: pathlib.Path):
        self.subjects = subjects
        self.source = source
        self.work = work
        self.failures: Failures = {}

    def take(self, phases: list[Phase], repeat: int) -> list[Figures]:
        taken = []
        for turn in range(repeat):
            began = time.monotonic()
            self.warm_up(phases)
            figures: Figures = {}
            for phase in phases:
                for workload, place in self.visits(phase, turn):
                    self.measure(workload, place, figures)
            taken.append(figures)
            say(f"turn {turn + 1} of {repeat} took {time.monotonic() - began:.0f} s")
        self.check(taken, phases)
        return taken

    def warm_up(self, phases: list[Phase]) -> None:
        """The source's pages and names are in memory before the first pass of anything."""
        for workload in (workload for phase in phases if phase.mounting is Mounting.TOGETHER
                         for workload in phase.workloads):
            self.measure(workload, Place(Subject(SOURCE), 0, self.source), {})

    def able(self, phase: Phase) -> list[Subject]:
        return [subject for subject in self.subjects
                if not (phase.is_writing and subject.is_read_only)]

    def visits(self, phase: Phase, turn: int) -> Iterator[tuple[Workload, Place]]:
        able = self.able(phase)
        order = random.Random(turn)
        if phase.mounting is Mounting.TOGETHER:
            with mounts.all_mounted(able, self.source, self.work) as places:
                for workload in phase.workloads:
                    for place in order.sample(places, len(places)):
                        yield workload, place
            return
        for workload in phase.workloads:
            for number, subject in order.sample(list(enumerate(able)), len(able)):
                with mounts.mounted(subject, number, self.source, self.work / "mount") as place:
                    yield workload, place

    def measure(self, workload: Workload, place: Place, figures: Figures) -> None:
        """A failure costs these figures, not those of the hours before."""
        try:
            measured = workload.measure(place)
        except (Failed, OSError) as error:
            for line in workload.lines:
                self.fail(line, place.subject, str(error).strip())
            return
        for line, figure in zip(workload.lines, measured, strict=True):
            figures.setdefault(line.name, {})[place.subject.name] = figure

    def fail(self, line: Line, subject: Subject, reason: str) -> None:
        say(f"{line.name}: {subject.name}: {reason}")
        self.failures.setdefault(line.name, {}).setdefault(subject.name, reason)

    def check(self, taken: list[Figures], phases: list[Phase]) -> None:
        """Each subject has a figure on each of its lines, in each turn."""
        lines = [(line, subject) for phase in phases for workload in phase.workloads
                 for line in workload.lines for subject in self.able(phase)]
        for line, subject in lines:
            if subject.name in self.failures.get(line.name, {}):
                continue
            figures = [turn.get(line.name, {}).get(subject.name, math.nan) for turn in taken]
            if not all(math.isfinite(figure) and (figure > 0 or line.is_cost)
                       for figure in figures):
                self.fail(line, subject, f"no figure: {figures}")
