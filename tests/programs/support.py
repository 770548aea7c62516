# SPDX-License-Identifier: MIT
"""What the tests of real programs share: a mounted directory, processes, requirements, checks.

A test is a function of a Place. main() calls it with a directory that is mounted as the command
line says; whatever happens in the test, the mount is taken away and the daemon ended.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

PATIENCE = 60.0  # seconds; a sanitizer's daemon is slow on a busy machine
TIME_LIMIT = 540  # for a whole test, below ctest's: so that it ends with a stack and a log
SKIPPED = 4  # as Catch2 has it

# Threads and forks don't go together, and no test has threads.
processes = multiprocessing.get_context("fork")


@dataclasses.dataclass(frozen=True)
class Place:
    """A directory and the same directory mounted."""

    source: pathlib.Path
    mount: pathlib.Path
    scratch: pathlib.Path  # beside both, for what isn't tested
    read_path: str

    @property
    def shares_mappings(self) -> bool:
        """Memory mapped on the mount and on the source is the same memory."""
        return self.read_path == "passthrough"


# --- Requirements and checks --------------------------------------------------------------------


def require(there: object, reason: str) -> None:
    """Skips the test where the machine lacks something; fails it under CI, which must have it."""
    if there:
        return
    if os.environ.get("CI"):
        sys.exit(f"CI is set, so this must run: {reason}")
    print(reason)
    sys.exit(SKIPPED)


def require_programs(*names: str) -> None:
    for name in names:
        require(shutil.which(name), f"{name} isn't installed (packaging/install-deps test)")


def require_root(why: str) -> None:
    require(os.geteuid() == 0, f"this needs root: {why}")


def require_read_path(read_path: str) -> None:
    require(os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse can't be opened")
    if read_path == "passthrough":
        require_root("passthrough takes CAP_SYS_ADMIN")
        version = os.uname().release.split(".")
        require((int(version[0]), int(version[1].split("-")[0])) >= (6, 9),
                "passthrough needs Linux 6.9")


def check(holds: object, promise: str) -> None:
    if not holds:
        raise AssertionError(promise)


def check_equal(found: object, expected: object, what: str) -> None:
    check(found == expected, f"{what}: {found!r} instead of {expected!r}")


# --- Processes ----------------------------------------------------------------------------------


def run(*command: object, **options: Any) -> str:
    """What the command says on standard output; its status has to be 0."""
    done = subprocess.run([str(word) for word in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, **options)
    check(done.returncode == 0,
          f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < deadline, f"not within {PATIENCE} seconds: {what}")
        time.sleep(0.02)


def run_together(*jobs: Callable[[], None]) -> None:
    """Runs each job in a process of its own, all at once; the first failure ends them all."""
    children = [processes.Process(target=job, daemon=True) for job in jobs]
    try:
        for child in children:
            child.start()
        running = {child.sentinel: child for child in children}
        while running:
            for ended in multiprocessing.connection.wait(running):
                child = running.pop(ended)
                child.join()
                check_equal(child.exitcode, 0, f"status of {child.name}")
    finally:
        for child in children:
            child.kill()
            child.join()


@contextlib.contextmanager
def holding(take: Callable[[], Any]) -> Iterator[processes.Process]:
    """Another process, which keeps what it took for as long as the context lasts."""
    ours, theirs = processes.Pipe()

    def hold() -> None:
        ours.close()
        taken = take()
        theirs.send("taken")
        with contextlib.suppress(EOFError):
            theirs.recv()
        del taken

    child = processes.Process(target=hold, daemon=True)
    child.start()
    theirs.close()
    try:
        ours.recv()
        yield child
    finally:
        ours.close()
        child.join(PATIENCE)
        child.kill()


# --- The mount ----------------------------------------------------------------------------------


def unmount(point: pathlib.Path) -> bool:
    command = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
    return subprocess.run([*command, point], capture_output=True).returncode == 0


def force_end(daemon: subprocess.Popen, point: pathlib.Path) -> None:
    if daemon.poll() is None:
        daemon.terminate()
        try:
            daemon.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    if os.path.ismount(point):
        lazily = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*lazily, point], check=False)


@contextlib.contextmanager
def mounted(command: Sequence[object], point: pathlib.Path, log: pathlib.Path) -> Iterator[None]:
    # Should this process be killed, the daemon is told to end, and unmounts.
    until_death = ["setpriv", "--pdeathsig", "TERM", "--"]
    with open(log, "wb") as out:
        daemon = subprocess.Popen([*until_death, *map(str, command)], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "mounted " in log.read_text() or daemon.poll() is not None, "a mount")
        check(daemon.poll() is None, "the daemon mounts")
        os.stat(point)  # answered once the daemon serves
        yield
        # What was just killed may still hold the mount for a moment.
        wait_until(lambda: unmount(point), "the mount can be taken away")
        check_equal(daemon.wait(PATIENCE), 0, "the daemon's status")
    except SystemExit:
        raise
    except BaseException:
        print(f"the daemon's log:\n{log.read_text()}", file=sys.stderr)
        raise
    finally:
        force_end(daemon, point)


def interrupt(number: int, _frame: object) -> NoReturn:
    raise TimeoutError(f"ended by {signal.Signals(number).name}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mmapdirfs", required=True, help="the daemon")
    parser.add_argument("--read-path", required=True, choices=("passthrough", "mapped", "plain"))
    parser.add_argument("--prefix", default="mmapdirfs-test-", help="of temporary directories")
    parser.add_argument("options", nargs="*", help="more options for the daemon, after --")
    return parser.parse_args()


def main(test: Callable[[Place], None], mount_options: Sequence[str] = ()) -> None:
    arguments = parse()
    require_read_path(arguments.read_path)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, interrupt)
    signal.alarm(TIME_LIMIT)
    # Not /tmp, which may be a tmpfs: the source is to be a file system as users have it.
    parent = os.environ.get("MMAPDIR_TEST_DIRECTORY") or "/var/tmp"
    with tempfile.TemporaryDirectory(prefix=arguments.prefix, dir=parent) as work:
        os.chmod(work, 0o755)
        place = Place(*(pathlib.Path(work, name) for name in ("source", "mount", "scratch")),
                      read_path=arguments.read_path)
        for directory in (place.source, place.mount, place.scratch):
            directory.mkdir()
        command = [arguments.mmapdirfs, "-f", f"--read-path={place.read_path}", *mount_options,
                   *arguments.options, place.source, place.mount]
        with mounted(command, place.mount, pathlib.Path(work, "log")):
            test(place)
