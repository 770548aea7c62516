# SPDX-License-Identifier: MIT
"""A comparison's result, as it is kept as JSON, and what of it is shown.

    {"date":, "kernel":, "cpus":, "memory":, "descriptors":, "versions": {program: version},
     "settings": {name: value},
     "lines": [{"name":, "unit":, "is_cost":}], "subjects": [name], "left_out": {name: reason},
     "failures": {line: {subject: reason}}, "turns": [{line: {subject: figure}}]}
"""

import dataclasses
import statistics
from typing import Any

from .subjects import SOURCE

Result = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float


def spread(values: list[float]) -> Spread | None:
    return Spread(statistics.median(values), min(values), max(values)) if values else None


@dataclasses.dataclass(frozen=True)
class Cell:
    """One subject on one line."""

    figure: Spread
    ratio: Spread | None  # to the source in the same turn; none where the source has no cost


def cell(result: Result, line: str, subject: str) -> Cell | None:
    """None where the subject doesn't do such work."""
    rows = [turn[line] for turn in result["turns"] if subject in turn.get(line, {})]
    figure = spread([row[subject] for row in rows])
    ratios = [row[subject] / row[SOURCE] for row in rows if row.get(SOURCE, 0) > 0]
    return Cell(figure, spread(ratios)) if figure else None


def cells(result: Result, line: str) -> dict[str, Cell]:
    """By subject, in the result's order."""
    found = {subject: cell(result, line, subject) for subject in result["subjects"]}
    return {subject: there for subject, there in found.items() if there}


def number(value: float) -> str:
    """Three digits at least."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
