# SPDX-License-Identifier: MIT
"""The ratios to the source as SVG, by gnuplot: a band for each line, in it a row for each subject
with the median and a bar from least to most."""

import dataclasses
import pathlib
import subprocess

from .programs import Failed
from .subjects import SOURCE
from .summary import Result, Spread, cell

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
# gnuplot's numbers of points: square, circle, triangles, diamond, pentagon.
FILLED, OPEN = [5, 7, 9, 11, 13, 15], [4, 6, 8, 10, 12, 14]
# A variant has the colour and form of the subject that it is one of, but isn't filled.
VARIANTS = (", io_uring", ", cache.files=full", ", no passthrough")
WIDTH, ROW, HEAD, FOOT = 1000, 7, 110, 60


@dataclasses.dataclass(frozen=True)
class Curve:
    subject: str
    row: float  # from the middle of a band
    ratios: dict[int, Spread]  # by line

    def data(self) -> str:
        return "\n".join(f"{ratio.median} {-line - self.row:.4f} {ratio.least} {ratio.most}"
                         for line, ratio in self.ratios.items())


def quoted(text: str) -> str:
    """As gnuplot's strings are, in which only the quote itself is special."""
    return "'" + text.replace("'", "''") + "'"


def family(subject: str) -> str:
    for variant in VARIANTS:
        subject = subject.removesuffix(variant)
    return subject


def ratios(result: Result, lines: list[str], subject: str) -> dict[int, Spread]:
    there = {number: cell(result, line, subject) for number, line in enumerate(lines)}
    return {number: found.ratio for number, found in there.items() if found and found.ratio}


def style(curve: Curve, families: list[str]) -> str:
    number = families.index(family(curve.subject))
    points = FILLED if curve.subject == family(curve.subject) else OPEN
    return (f"pointtype {points[number % len(points)]} pointsize 0.7 "
            f"linecolor rgb {quoted(COLOURS[number % len(COLOURS)])} "
            f"title {quoted(curve.subject)}")


def script(result: Result) -> str:
    lines = [line["name"] for line in result["lines"] if not line["is_cost"]]
    drawn = [subject for subject in result["subjects"] if subject != SOURCE]
    curves = [Curve(subject, (number + 1) / (len(drawn) + 1) - 0.5, ratios(result, lines, subject))
              for number, subject in enumerate(drawn)]
    curves = [curve for curve in curves if curve.ratios]
    families = list(dict.fromkeys(family(subject) for subject in drawn))
    height = ROW * (len(drawn) + 1) * len(lines) + HEAD + FOOT
    bottom = 0.5 - len(lines)
    return "\n".join([
        f"set terminal svg size {WIDTH},{height} noenhanced background 'white'",
        "set logscale x", "set grid x", f"set yrange [{bottom}:0.5]",
        f"set tmargin at screen {1 - HEAD / height}",
        "set key at screen 0.02, screen 0.995 left top vertical maxrows 5 reverse Left samplen 2 "
        "font ',11' width -4",
        "set ytics scale 0 ("
        + ", ".join(f"{quoted(line)} {-number}" for number, line in enumerate(lines)) + ")",
        "set xlabel 'ratio to the source in the same turn: median, least and most'",
        *(f"set arrow from graph 0, first {-number + 0.5} to graph 1, first {-number + 0.5} nohead "
          "linecolor rgb 'grey'" for number in range(1, len(lines))),
        f"set arrow from 1, {bottom} to 1, 0.5 nohead linewidth 2",
        *(f"$subject{number} << END\n{curve.data()}\nEND" for number, curve in enumerate(curves)),
        "plot " + ", ".join(
            f"$subject{number} using 1:2:3:4 with xerrorbars {style(curve, families)}"
            for number, curve in enumerate(curves)),
        ""])


def write_svg(result: Result, file: pathlib.Path) -> None:
    try:
        done = subprocess.run(["gnuplot"], input=script(result).encode(), capture_output=True,
                              check=True)
    except subprocess.CalledProcessError as error:
        raise Failed(f"gnuplot: {error.stderr.decode()}") from error
    file.write_bytes(done.stdout)
