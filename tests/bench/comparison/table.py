# SPDX-License-Identifier: MIT
"""The result as text: all of it for the terminal, medians alone as a table in Markdown."""

from .summary import Cell, Result, Spread, cells, number

FIGURE, RATIO = 12, 7


def spread_text(spread: Spread | None, width: int, text) -> str:
    values = (spread.median, spread.least, spread.most) if spread else ()
    return "".join(f"{text(value):>{width}}" for value in values)


def row(subject: str, cell: Cell, width: int) -> str:
    figures = spread_text(cell.figure, FIGURE, number)
    ratios = spread_text(cell.ratio, RATIO, "{:.2f}".format)
    return f"  {subject:{width}}{figures}   {ratios}".rstrip()


def text(result: Result) -> str:
    """A block for each line, a row for each subject: median, least and most of the figures, and of
    their ratios to the source in the same turn."""
    width = max(map(len, result["subjects"])) + 1
    heads = "".join(f"{head:>{FIGURE}}" for head in ("median", "min", "max"))
    heads += "   " + "".join(f"{head:>{RATIO}}" for head in ("ratio", "min", "max"))
    rows = []
    for line in result["lines"]:
        better = ", less is better" if line["is_cost"] else ""
        rows += [f"{line['name']} ({line['unit']}{better})", f"  {'':{width}}{heads}"]
        rows += [row(subject, cell, width) for subject, cell in cells(result, line["name"]).items()]
        failures = result["failures"].get(line["name"], {})
        rows += [f"  {subject:{width}} failed: {reason}" for subject, reason in failures.items()]
        rows.append("")
    rows += [f"left out: {name}: {reason}" for name, reason in result["left_out"].items()]
    return "\n".join(rows)


def markdown_cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    ratio = f" ({cell.ratio.median:.2f})" if cell.ratio else ""
    return number(cell.figure.median) + ratio


def markdown(result: Result) -> str:
    """A row for each line, a column for each subject: median, and median ratio to the source."""
    rows = [["", *result["subjects"]], ["---"] * (len(result["subjects"]) + 1)]
    for line in result["lines"]:
        there = cells(result, line["name"])
        rows.append([f"{line['name']}, {line['unit']}",
                     *(markdown_cell(there.get(subject)) for subject in result["subjects"])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
