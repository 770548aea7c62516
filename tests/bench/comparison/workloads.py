# SPDX-License-Identifier: MIT
"""What a workload is: work done in a place, and the lines of the comparison that come of it."""

import dataclasses
import enum
import fnmatch
import pathlib
from collections.abc import Callable

from .inputs import Sizes
from .mounts import Place


@dataclasses.dataclass(frozen=True)
class Line:
    name: str
    unit: str
    is_cost: bool = False  # less is better, and none at all is possible


@dataclasses.dataclass(frozen=True)
class Workload:
    lines: tuple[Line, ...]
    measure: Callable[[Place], tuple[float, ...]]  # a figure for each line


class Mounting(enum.Enum):
    TOGETHER = "all subjects are mounted from the first workload to the last"
    ALONE = "each subject is mounted afresh for each workload, alone"


@dataclasses.dataclass(frozen=True)
class Phase:
    mounting: Mounting
    workloads: list[Workload]
    is_writing: bool = False


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the workloads need to know."""

    sizes: Sizes
    runtime: float  # seconds, for lines that go on and on
    mount_bench: pathlib.Path  # the benchmarks' own program
    work: pathlib.Path  # for what is no part of the source


def chosen(phases: list[Phase], patterns: list[str]) -> list[Phase]:
    """What it takes to get the lines with a name that fits; all, without patterns."""
    def is_wanted(workload: Workload) -> bool:
        return not patterns or any(fnmatch.fnmatchcase(line.name, pattern)
                                   for line in workload.lines for pattern in patterns)

    kept = [dataclasses.replace(phase, workloads=list(filter(is_wanted, phase.workloads)))
            for phase in phases]
    return [phase for phase in kept if phase.workloads]
