# SPDX-License-Identifier: MIT
"""Searches in an index, by one process or several at once."""

import multiprocessing
import multiprocessing.connection
import pathlib
import random
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from . import inputs
from .mounts import Place
from .programs import Failed
from .workloads import Line, Settings, Workload

HITS = 10
WARMING_SEARCHES = 20
PATIENCE = 60.0  # seconds that processes wait for one another
# Neither in every document nor in hardly any.
RANKS = range(20, 2000)

Search = Callable[[str, str], None]  # for two words

# Threads and forks don't go together, and the benchmarks have no threads.
processes = multiprocessing.get_context("fork")


def open_xapian(index: pathlib.Path) -> Search:
    import xapian  # Debian's python3-xapian, which mount_writes.py does without

    database = xapian.Database(str(index))

    def search(one: str, other: str) -> None:
        enquire = xapian.Enquire(database)
        enquire.set_query(xapian.Query(xapian.Query.OP_OR, [one, other]))
        for match in enquire.get_mset(0, HITS):
            match.document.get_data()

    return search


def open_sqlite(index: pathlib.Path) -> Search:
    database = sqlite3.connect(f"file:{index}?mode=ro", uri=True)

    def search(one: str, other: str) -> None:
        database.execute("SELECT text FROM documents WHERE documents MATCH ? ORDER BY rank LIMIT ?",
                         (f"{one} OR {other}", HITS)).fetchall()

    return search


def search_on(opening: Callable[[], Search], number: int, start: Any, seconds: float,
              counted: multiprocessing.connection.Connection) -> None:
    """A process; each has words of its own, the same on every subject."""
    choice = random.Random(number)
    search = opening()

    def search_words() -> None:
        search(*(inputs.word(rank) for rank in choice.sample(RANKS, 2)))

    for _ in range(WARMING_SEARCHES):
        search_words()
    start.wait(PATIENCE)
    searches, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds or searches == 0:
        search_words()
        searches += 1
    counted.send(searches / took)


def searches_per_second(opening: Callable[[], Search], readers: int, seconds: float) -> float:
    start = processes.Barrier(readers)
    rates = 0.0
    running = []
    for number in range(readers):
        receiver, sender = processes.Pipe(duplex=False)
        process = processes.Process(target=search_on,
                                    args=(opening, number, start, seconds, sender))
        process.start()
        sender.close()
        running.append((process, receiver))
    for process, receiver in running:
        process.join()
        if process.exitcode != 0:
            start.abort()
            raise Failed(f"a searching process ended with {process.exitcode}")
        rates += receiver.recv()
    return rates


def queries(settings: Settings) -> list[Workload]:
    def xapian_searches(place: Place) -> tuple[float]:
        return (searches_per_second(lambda: open_xapian(place.directory / inputs.XAPIAN_INDEX), 8,
                                    settings.runtime),)

    def sqlite_searches(place: Place) -> tuple[float]:
        return (searches_per_second(lambda: open_sqlite(place.directory / inputs.SQLITE_INDEX), 1,
                                    settings.runtime),)

    return [Workload((Line("Xapian, 8 processes", "queries/s"),), xapian_searches),
            Workload((Line("SQLite FTS, 1 process", "queries/s"),), sqlite_searches)]
