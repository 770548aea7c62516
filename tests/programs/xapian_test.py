# SPDX-License-Identifier: MIT
"""Xapian on a mount: indexing while others search, compaction, and the writer's lock."""

import functools
import importlib.util
import pathlib

import support

support.require(importlib.util.find_spec("xapian"), "python3-xapian isn't installed")
import xapian  # noqa: E402

BATCHES = 12
BATCH = 150  # documents
LAST_TERM = "Qlast"  # of the document that is indexed last


def document(number: int, text: str) -> xapian.Document:
    made = xapian.Document()
    generator = xapian.TermGenerator()
    generator.set_document(made)
    generator.index_text(f"document number {number} of batch {number // BATCH}: {text}")
    made.set_data(f"{number} {text}")
    made.add_boolean_term(f"Q{number}")
    return made


def index(directory: pathlib.Path) -> None:
    writer = xapian.WritableDatabase(str(directory / "index"), xapian.DB_CREATE_OR_OPEN)
    for number in range(BATCHES * BATCH):
        writer.replace_document(f"Q{number}", document(number, "draft " * (number % 50)))
        if number % BATCH == BATCH - 1:
            writer.commit()
    for number in range(0, BATCHES * BATCH, 3):
        writer.replace_document(f"Q{number}", document(number, "final"))
    for number in range(0, BATCHES * BATCH, 10):
        writer.delete_document(f"Q{number}")
    last = document(0, "last")
    last.add_boolean_term(LAST_TERM)
    writer.add_document(last)
    writer.close()


def matches(database: xapian.Database, term: str) -> int:
    enquire = xapian.Enquire(database)
    enquire.set_query(xapian.Query(term))
    found = enquire.get_mset(0, 10000)
    for match in found:
        support.check(match.document.get_data().decode().split()[0].isdigit(), "a document's data")
    return len(found)


def search(directory: pathlib.Path) -> None:
    database = xapian.Database(str(directory / "index"))
    before = 0
    is_over = False
    while not is_over:
        try:
            database.reopen()
            found = matches(database, "document")
            is_over = database.term_exists(LAST_TERM)
            if not database.term_exists("final"):
                support.check(found % BATCH == 0, f"whole batches, rather than {found} documents")
                support.check(found >= before, "no document goes away by itself")
                before = found
        except xapian.DatabaseModifiedError:
            pass  # the writer is two commits ahead, which Xapian tells its readers


def check_whole(directory: pathlib.Path) -> None:
    path = str(directory)
    support.check_equal(xapian.Database.check(path), 0, f"faults of {path}")
    database = xapian.Database(path)
    kept = [number for number in range(BATCHES * BATCH) if number % 10 != 0]
    support.check_equal(database.get_doccount(), len(kept) + 1, "documents")
    support.check_equal(matches(database, "final"), sum(n % 3 == 0 for n in kept), "final ones")
    support.check_equal(matches(database, "document"), len(kept) + 1, "all of them")


def open_writer(directory: pathlib.Path) -> xapian.WritableDatabase:
    return xapian.WritableDatabase(str(directory / "index"), xapian.DB_OPEN)


def check_excluded(holder: pathlib.Path, other: pathlib.Path) -> None:
    with support.holding(functools.partial(open_writer, holder)):
        try:
            open_writer(other)
        except xapian.DatabaseLockError:
            pass
        else:
            raise AssertionError(f"a writer in {other} beside the one in {holder}")
    open_writer(other).close()


def test(place: support.Place) -> None:
    xapian.WritableDatabase(str(place.mount / "index"), xapian.DB_CREATE).close()
    support.run_together(functools.partial(index, place.mount),
                         functools.partial(search, place.mount),
                         functools.partial(search, place.mount))
    check_whole(place.source / "index")
    check_excluded(place.mount, place.source)
    check_excluded(place.source, place.mount)
    check_excluded(place.mount, place.mount)

    xapian.Database(str(place.mount / "index")).compact(str(place.mount / "compact"))
    check_whole(place.mount / "compact")
    check_whole(place.source / "compact")


if __name__ == "__main__":
    support.main(test)
