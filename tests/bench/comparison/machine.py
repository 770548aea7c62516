# SPDX-License-Identifier: MIT
"""The machine's page cache, limits and FUSE parameters. All of it needs root."""

import contextlib
import os
import pathlib
import resource
from collections.abc import Iterator

from .programs import Failed

URING_PARAMETER = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


def cached_bytes() -> int:
    """Page cache of the whole machine."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Cached:"):
            return int(line.split()[1]) * 1024
    raise Failed("/proc/meminfo has no line 'Cached'")


def memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def drop_caches() -> None:
    """Pages, names and inodes of every file system; what is dirty is written first."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")


def allow_descriptors(count: int) -> int:
    """Raises the limit up to which daemons may raise theirs, if it may be; returns what it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError):  # without CAP_SYS_RESOURCE
        if hard < count:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, count))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@contextlib.contextmanager
def uring_enabled() -> Iterator[bool]:
    """Whether the kernel speaks FUSE over io_uring with mounts made meanwhile."""
    try:
        before = URING_PARAMETER.read_text()
        URING_PARAMETER.write_text("1\n")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        URING_PARAMETER.write_text(before)
