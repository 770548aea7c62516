# SPDX-License-Identifier: MIT
"""LMDB on a mount: written through the file and through the mapping, by several processes."""

import functools
import importlib.util
import pathlib

import support

support.require(importlib.util.find_spec("lmdb"), "python3-lmdb isn't installed")
import lmdb  # noqa: E402

TRANSACTIONS = 60  # of each writer
PAYLOAD = bytes(range(256)) * 24  # larger than a page, so that some pages overflow


def environment(directory: pathlib.Path, writemap: bool, **options) -> lmdb.Environment:
    return lmdb.open(str(directory / f"writemap={writemap}"), map_size=64 << 20, writemap=writemap,
                     **options)


def count(transaction: lmdb.Transaction) -> int:
    return int(transaction.get(b"count", b"0"))


def write(directory: pathlib.Path, writemap: bool, writer: str) -> None:
    with environment(directory, writemap) as env:
        for number in range(TRANSACTIONS):
            with env.begin(write=True) as transaction:
                transaction.put(b"count", str(count(transaction) + 1).encode())
                transaction.put(f"{writer} {number}".encode(), PAYLOAD)


def watch(directory: pathlib.Path, writemap: bool, last: int) -> None:
    with environment(directory, writemap, readonly=True) as env:
        seen = 0
        while seen < last:
            with env.begin() as transaction:
                seen = count(transaction)
                entries = transaction.stat()["entries"] - bool(seen)
                support.check_equal(seen, entries, "the count, beside what is there")


def check_whole(env: lmdb.Environment, records: int) -> None:
    with env.begin() as transaction:
        support.check_equal(count(transaction), records, "the count")
        values = {bytes(key): value for key, value in transaction.cursor()}
    del values[b"count"]
    support.check_equal(len(values), records, "records")
    support.check(all(value == PAYLOAD for value in values.values()), "records as they were put")


def check_on(directory: pathlib.Path, writemap: bool, records: int) -> None:
    with environment(directory, writemap, readonly=True) as env:
        check_whole(env, records)


def check_copy(place: support.Place, writemap: bool, records: int) -> None:
    """The copy is written past the page cache, where the source has O_DIRECT."""
    name = f"copy of writemap={writemap}"
    (place.mount / name).mkdir()
    with environment(place.mount, writemap) as env:
        env.copy(str(place.mount / name), compact=True)
    with lmdb.open(str(place.source / name), readonly=True) as copy:
        check_whole(copy, records)


def test(place: support.Place) -> None:
    jobs = functools.partial
    for writemap in (False, True):
        environment(place.mount, writemap).close()
        support.run_together(
            *(jobs(write, place.mount, writemap, writer) for writer in ("one", "two", "three")),
            jobs(watch, place.mount, writemap, 3 * TRANSACTIONS))
        # Each in a process of its own: LMDB takes the two for one file and opens it once.
        support.run_together(jobs(check_on, place.source, writemap, 3 * TRANSACTIONS))
        support.run_together(jobs(check_copy, place, writemap, 3 * TRANSACTIONS))
        if place.shares_mappings:
            support.run_together(
                jobs(write, place.mount, writemap, "four"),
                jobs(write, place.source, writemap, "five"))
            support.run_together(jobs(check_on, place.mount, writemap, 5 * TRANSACTIONS))
            support.run_together(jobs(check_on, place.source, writemap, 5 * TRANSACTIONS))


if __name__ == "__main__":
    support.main(test)
