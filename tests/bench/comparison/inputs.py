# SPDX-License-Identifier: MIT
"""What is read, and written over: made on the source, the same in each run."""

import dataclasses
import itertools
import pathlib
import random
import sqlite3
from collections.abc import Iterator

MIB = 1 << 20
FILE = "file"  # in the source directory, and in each subject's own
SMALL_FILES = "small"
LISTED_FILES = "listed"
TREE = "tree"
TEXTS = "texts"
XAPIAN_INDEX = "xapian"
SQLITE_INDEX = "sqlite.db"

SMALL_FILE_BYTES = 4096
TEXT_BYTES = 8192
FILES_IN_A_DIRECTORY = 100
VOCABULARY = 20_000
WORDS_IN_A_DOCUMENT = 150


@dataclasses.dataclass(frozen=True)
class Sizes:
    file: int = 512 * MIB
    written_file: int = 64 * MIB
    small_files: int = 2_000
    listed_files: int = 20_000
    tree_files: int = 100_000
    texts: int = 5_000
    documents: int = 20_000
    published_files: int = 1_000


QUICK = Sizes(file=32 * MIB, written_file=8 * MIB, small_files=200, listed_files=500,
              tree_files=1_000, texts=200, documents=1_000, published_files=100)


def word(rank: int) -> str:
    """Of the vocabulary; a smaller rank is a more frequent word."""
    return f"word{rank}"


def documents(count: int) -> Iterator[str]:
    """Words by Zipf's law, as in natural language."""
    choice = random.Random(0)
    words = [word(rank) for rank in range(VOCABULARY)]
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
    for _ in range(count):
        yield " ".join(choice.choices(words, cum_weights=weights, k=WORDS_IN_A_DOCUMENT))


def make_file(file: pathlib.Path, size: int) -> None:
    choice = random.Random(size)
    with file.open("wb") as out:
        for _ in range(size // MIB):
            out.write(choice.randbytes(MIB))


def make_small_files(directory: pathlib.Path, count: int) -> None:
    """Named as mmapdirfs_mount_bench expects it."""
    directory.mkdir()
    for number in range(count):
        (directory / f"file-{number}").write_bytes(bytes(SMALL_FILE_BYTES))


def make_empty_files(directory: pathlib.Path, count: int) -> None:
    directory.mkdir()
    for number in range(count):
        (directory / f"file-{number}").touch()


def make_tree(directory: pathlib.Path, count: int) -> None:
    directory.mkdir()
    for number in range(count // FILES_IN_A_DIRECTORY):
        make_empty_files(directory / f"directory-{number}", FILES_IN_A_DIRECTORY)


def make_texts(directory: pathlib.Path, count: int) -> None:
    directory.mkdir()
    for number, text in enumerate(documents(count)):
        part = directory / f"part-{number // FILES_IN_A_DIRECTORY}"
        part.mkdir(exist_ok=True)
        lines = "\n".join(itertools.islice(itertools.cycle(text.split()), TEXT_BYTES // 10))
        (part / f"text-{number}").write_text(lines)


def make_xapian_index(directory: pathlib.Path, count: int) -> None:
    import xapian  # Debian's python3-xapian, which mount_writes.py does without

    database = xapian.WritableDatabase(str(directory), xapian.DB_CREATE)
    generator = xapian.TermGenerator()
    for text in documents(count):
        document = xapian.Document()
        document.set_data(text)
        generator.set_document(document)
        generator.index_text(text)
        database.add_document(document)
    database.commit()
    database.close()


def make_sqlite_index(file: pathlib.Path, count: int) -> None:
    database = sqlite3.connect(file)
    database.execute("CREATE VIRTUAL TABLE documents USING fts5(text)")
    database.executemany("INSERT INTO documents VALUES (?)", ((text,) for text in documents(count)))
    database.execute("INSERT INTO documents(documents) VALUES ('optimize')")
    database.commit()
    database.close()


def make_own_directories(source: pathlib.Path, subjects: int, file_size: int) -> None:
    for number in range(subjects):
        own = source / f"own{number}"
        own.mkdir()
        make_file(own / FILE, file_size)


def make_inputs(source: pathlib.Path, sizes: Sizes) -> None:
    make_file(source / FILE, sizes.file)
    make_small_files(source / SMALL_FILES, sizes.small_files)
    make_empty_files(source / LISTED_FILES, sizes.listed_files)
    make_tree(source / TREE, sizes.tree_files)
    make_texts(source / TEXTS, sizes.texts)
    make_xapian_index(source / XAPIAN_INDEX, sizes.documents)
    make_sqlite_index(source / SQLITE_INDEX, sizes.documents)
