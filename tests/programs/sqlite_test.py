# SPDX-License-Identifier: MIT
"""SQLite on a mount: both kinds of journal, several writers, mapped reads, crashed writers."""

import functools
import os
import pathlib
import signal
import sqlite3

import support

ACCOUNTS = 200
BALANCE = 1000
TRANSFERS = 100  # of each writer


def connect(directory: pathlib.Path, journal: str, timeout: float = support.PATIENCE):
    connection = sqlite3.connect(directory / f"{journal}.db", timeout=timeout,
                                 isolation_level=None)
    connection.execute(f"PRAGMA mmap_size={1 << 28}")
    connection.execute(f"PRAGMA journal_mode={journal}")
    return connection


def create(directory: pathlib.Path, journal: str) -> None:
    connection = connect(directory, journal)
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
    connection.execute("CREATE TABLE transfer (writer TEXT, number INTEGER, note BLOB)")
    connection.execute("CREATE UNIQUE INDEX by_number ON transfer (writer, number)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO account VALUES (?, ?)",
                           ((number, BALANCE) for number in range(ACCOUNTS)))
    connection.execute("COMMIT")
    connection.close()


def transfer(directory: pathlib.Path, journal: str, writer: str) -> None:
    connection = connect(directory, journal)
    for number in range(TRANSFERS):
        giver, taker = number % ACCOUNTS, number * 7 % ACCOUNTS
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE account SET balance = balance - 5 WHERE id = ?", (giver,))
        connection.execute("UPDATE account SET balance = balance + 5 WHERE id = ?", (taker,))
        connection.execute("INSERT INTO transfer VALUES (?, ?, randomblob(900))", (writer, number))
        connection.execute("COMMIT")
    connection.close()


def totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """What all accounts hold, and how many transfers there were, at one moment."""
    return connection.execute(
        "SELECT (SELECT sum(balance) FROM account), (SELECT count(*) FROM transfer)").fetchone()


def watch(directory: pathlib.Path, journal: str, last: int) -> None:
    connection = connect(directory, journal)
    before = 0
    while before < last:
        money, transfers = totals(connection)
        support.check_equal(money, ACCOUNTS * BALANCE, f"money in {journal}, as a reader sees it")
        support.check(transfers >= before, "no transfer goes away")
        before = transfers
    connection.close()


def check_whole(directory: pathlib.Path, journal: str, transfers: int) -> None:
    connection = connect(directory, journal)
    support.check_equal(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)],
                        f"integrity of {journal}")
    support.check_equal(totals(connection), (ACCOUNTS * BALANCE, transfers), f"totals of {journal}")
    connection.close()


def check_excluded(holder: pathlib.Path, other: pathlib.Path, journal: str) -> None:
    def begin() -> sqlite3.Connection:
        connection = connect(holder, journal)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    with support.holding(begin):
        connection = connect(other, journal, timeout=0)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as refusal:
            support.check("locked" in str(refusal), f"locked, rather than {refusal}")
        else:
            raise AssertionError(f"{journal}: a writer in {other} beside the one in {holder}")
    connection.execute("BEGIN IMMEDIATE")
    connection.close()


def crash(directory: pathlib.Path, journal: str) -> None:
    """Leaves a transaction of which some pages are written, and not committed."""
    def spill() -> sqlite3.Connection:
        connection = connect(directory, journal)
        connection.execute("PRAGMA cache_size=5")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE account SET balance = balance + 1")
        connection.execute("UPDATE transfer SET note = randomblob(900)")
        return connection

    with support.holding(spill) as writer:
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()


def test_on_mount(place: support.Place, journal: str) -> None:
    on_mount = functools.partial(functools.partial, directory=place.mount, journal=journal)
    support.run_together(
        on_mount(transfer, writer="one"),
        on_mount(transfer, writer="two"),
        on_mount(watch, last=2 * TRANSFERS))
    check_whole(place.source, journal, 2 * TRANSFERS)
    crash(place.mount, journal)
    check_whole(place.source, journal, 2 * TRANSFERS)
    crash(place.source, journal)
    check_whole(place.mount, journal, 2 * TRANSFERS)


def test_on_both(place: support.Place, journal: str) -> None:
    check_excluded(place.mount, place.source, journal)
    check_excluded(place.source, place.mount, journal)
    last = 4 * TRANSFERS
    support.run_together(
        functools.partial(transfer, place.mount, journal, "three"),
        functools.partial(transfer, place.source, journal, "four"),
        functools.partial(watch, place.mount, journal, last),
        functools.partial(watch, place.source, journal, last))
    check_whole(place.mount, journal, last)
    check_whole(place.source, journal, last)


def test(place: support.Place) -> None:
    for journal in ("delete", "persist", "wal"):
        create(place.mount, journal)
        test_on_mount(place, journal)
        # Processes that share a write-ahead log talk to each other by mapped memory.
        if journal != "wal" or place.shares_mappings:
            test_on_both(place, journal)


if __name__ == "__main__":
    support.main(test)
