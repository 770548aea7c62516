# SPDX-License-Identifier: MIT
"""Subjects, mounted."""

import contextlib
import ctypes
import dataclasses
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

from .programs import Failed, run
from .subjects import Subject

libc = ctypes.CDLL(None, use_errno=True)


def processor_seconds(pid: int) -> float:
    """What all threads of a process have used; in nanoseconds where /proc has ticks."""
    clock = ctypes.c_int()
    if libc.clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        raise Failed(f"process {pid} is gone")
    return time.clock_gettime(clock.value)


@dataclasses.dataclass(frozen=True)
class Place:
    """A directory to do the work in: the source, or a mount of it."""

    subject: Subject
    number: int  # among the subjects
    directory: pathlib.Path
    daemons: tuple[int, ...] = ()  # process ids

    @property
    def own(self) -> pathlib.Path:
        """A directory that no other subject writes to."""
        return self.directory / f"own{self.number}"

    @contextlib.contextmanager
    def fresh_directory(self) -> Iterator[pathlib.Path]:
        """Of its own, for as long as the context lasts."""
        directory = self.own / "fresh"
        directory.mkdir()
        try:
            yield directory
        finally:
            shutil.rmtree(directory)

    def daemon_seconds(self) -> float:
        return sum(map(processor_seconds, self.daemons))


def daemons_of(mountpoint: pathlib.Path) -> tuple[int, ...]:
    """The processes that have the mount point on their command line."""
    wanted, found = str(mountpoint).encode(), []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            if wanted in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return tuple(found)


@contextlib.contextmanager
def mounted(subject: Subject, number: int, source: pathlib.Path,
            mountpoint: pathlib.Path) -> Iterator[Place]:
    """Mounted for as long as the context lasts."""
    if not subject.command:
        yield Place(subject, number, source)
        return
    mountpoint.mkdir(exist_ok=True)
    # A file, since a daemon may keep what it is given for as long as it lives.
    with tempfile.TemporaryFile() as log:
        done = subprocess.run([*subject.command, source, mountpoint], check=False, stdout=log,
                              stderr=log, stdin=subprocess.DEVNULL)
        log.seek(0)
        if done.returncode != 0 or not mountpoint.is_mount():
            raise Failed(f"{subject.name} can't be mounted: {log.read().decode()}")
    try:
        daemons = daemons_of(mountpoint)
        if not daemons:
            raise Failed(f"{subject.name} has no daemon")
        yield Place(subject, number, mountpoint, daemons)
    finally:
        run(["umount", mountpoint])


@contextlib.contextmanager
def all_mounted(subjects: list[Subject], source: pathlib.Path,
                work: pathlib.Path) -> Iterator[list[Place]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(mounted(subject, number, source, work / f"mount{number}"))
               for number, subject in enumerate(subjects)]
