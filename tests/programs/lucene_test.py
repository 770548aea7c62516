# SPDX-License-Identifier: MIT
"""Lucene on a mount, with mapped reads and native locks: see LuceneTest.java, which this steers."""

import contextlib
import fcntl
import glob
import pathlib
import subprocess
from collections.abc import Iterator

import support

PROGRAM = pathlib.Path(__file__).with_name("LuceneTest.java")


def find_library() -> str:
    # By its full version: others of Lucene's packages may be there as well.
    found = sorted(glob.glob("/usr/share/java/lucene-core-8.*.jar"))
    support.require(found, "liblucene8-java isn't installed (packaging/install-deps test)")
    return found[-1]


class Lucene:
    """A program that has an index open, and takes a step when it is told to."""

    def __init__(self, index: pathlib.Path):
        # The source is compiled as it is started.
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
             find_library(), PROGRAM, index],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def take(self, step: str) -> None:
        print(step, file=self.process.stdin, flush=True)
        support.check_equal(self.process.stdout.readline(), "done\n", f"answer to {step}")

    def end(self) -> None:
        self.process.stdin.close()
        support.check_equal(self.process.wait(support.PATIENCE), 0, "Lucene's status")


@contextlib.contextmanager
def opened(index: pathlib.Path) -> Iterator[Lucene]:
    lucene = Lucene(index)
    try:
        yield lucene
        lucene.end()
    finally:
        lucene.process.kill()
        lucene.process.wait()


@contextlib.contextmanager
def locked(index: pathlib.Path) -> Iterator[bool]:
    """Takes Lucene's lock the way Java does; whether it was to be had."""
    with open(index / "write.lock", "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def test(place: support.Place) -> None:
    with opened(place.mount / "index") as lucene:
        lucene.take("index")
        with locked(place.source / "index") as had:
            support.check(not had, "the writer's lock is seen on the source")
        for step in ("delete", "merge", "close"):
            lucene.take(step)
        with locked(place.source / "index") as had:
            support.check(had, "a closed writer leaves no lock")
            lucene.take("find-locked")
        lucene.take("check")
    with opened(place.source / "index") as lucene:
        lucene.take("check")


if __name__ == "__main__":
    support.require_programs("java")
    find_library()
    support.main(test)
