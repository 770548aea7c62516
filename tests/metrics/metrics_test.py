# SPDX-License-Identifier: MIT
"""A mount's metrics: their form, and that what programs do is counted once.

An operation is counted right after it was answered, so a program may be faster than the count: a
test waits for the number, then looks at all of them.
"""

import argparse
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable

import scraping
import support
from scraping import Served

TIMES = 7
UNFINISHED: list[socket.socket] = []  # until the mount is gone


def fails_with(expected: int, call: Callable[..., object], *arguments: object) -> None:
    try:
        call(*arguments)
    except OSError as error:
        support.check_equal(error.errno, expected, f"errno of {call.__name__}")
    else:
        raise AssertionError(f"{call.__name__} didn't fail")


def wait_for(place: Served, operation: str, count: float) -> None:
    support.wait_until(lambda: place.count(operation) >= count, f"{count} of {operation}")


def form(place: Served) -> None:
    """promtool has nothing against what is served over HTTP, nor against the file."""
    os.mkdir(place.mount / "directory")
    fails_with(errno.ENOENT, os.stat, place.mount / "absent")
    scraping.promtool("check", "metrics", text=place.text())
    scraping.promtool("check", "metrics", text=(place.mount / ".mmapdirfs/metrics").read_text())
    names = {name for name, _ in place.values()}
    support.check(all(name.startswith("mmapdirfs_") for name in names), f"names: {names}")


def once(place: Served) -> None:
    """Each operation is counted once, with its bytes and the errno of its answer."""
    for i in range(TIMES):
        directory = place.mount / f"directory {i}"
        os.mkdir(directory)
        os.symlink("nowhere", directory / "link")
        fails_with(errno.ENOTEMPTY, os.rmdir, directory)
    file = os.open(place.mount / "file", os.O_RDWR | os.O_CREAT)
    for i in range(TIMES):
        os.pwrite(file, b"x" * 1000, i * 1000)
        os.pread(file, 4096, 0)  # none is answered by the kernel: --cache=never
        fails_with(errno.ENODATA, os.removexattr, file, "user.absent")
    os.close(file)
    for operation in ("mkdir", "symlink", "rmdir", "write", "read", "removexattr"):
        wait_for(place, operation, TIMES)
        support.check_equal(place.count(operation), TIMES, f"count of {operation}")
    wait_for(place, "create", 1)
    support.check_equal(place.count("create"), 1, "count of create")
    support.check_equal(place.errors("rmdir", "ENOTEMPTY"), TIMES, "errors of rmdir")
    support.check_equal(place.errors("removexattr", "ENODATA"), TIMES, "errors of removexattr")
    support.check_equal(place.errors("mkdir", "ENOENT"), 0, "errors of mkdir")
    support.check_equal(place.value("operation_bytes_total", operation="write"), TIMES * 1000,
                        "bytes written")
    read = sum(min(4096, (i + 1) * 1000) for i in range(TIMES))
    support.check_equal(place.value("operation_bytes_total", operation="read"), read, "bytes read")
    for (name, labels), value in place.values().items():
        if name == "mmapdirfs_operation_duration_seconds_bucket" and ("le", "+Inf") in labels:
            operation = dict(labels)["operation"]
            support.check(value > 0, f"{operation} has a histogram without an operation")


def absence(place: Served) -> None:
    """A name that isn't there is an error of lookup, whether the kernel keeps that or not."""
    before = place.errors("lookup", "ENOENT")
    for i in range(TIMES):
        fails_with(errno.ENOENT, os.stat, place.mount / f"absent {i}")
    support.wait_until(lambda: place.errors("lookup", "ENOENT") - before >= TIMES, "the lookups")
    support.check_equal(place.errors("lookup", "ENOENT") - before, TIMES, "errors of lookup")


def waiting(place: Served) -> None:
    """A lock that is waited for is counted once it was answered, and shown until then."""
    path = place.mount / "file"
    path.write_bytes(b"")
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    wait_for(place, "flock", 1)
    support.check_equal(place.value("locks_held"), 1, "locks held")
    waiter = support.processes.Process(
        target=lambda: fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX), daemon=True)
    waiter.start()
    try:
        support.wait_until(lambda: place.value("locks_waiting") == 1, "a request that waits")
        support.check_equal(place.count("flock"), 1, "flocks answered so far")
        fcntl.flock(holder, fcntl.LOCK_UN)
        waiter.join(support.PATIENCE)
        support.check_equal(waiter.exitcode, 0, "who waited")
    finally:
        waiter.kill()
        waiter.join()
    wait_for(place, "flock", 3)
    support.check_equal(place.count("flock"), 3, "flocks answered in the end")
    support.check_equal(place.value("locks_waiting"), 0, "requests that wait")
    os.close(holder)
    support.wait_until(lambda: place.value("locks_held") == 0, "all locks are given back")


def agreement(place: Served) -> None:
    """The status says what the metrics say."""
    for i in range(TIMES):
        os.mkdir(place.mount / f"directory {i}")
    wait_for(place, "mkdir", TIMES)
    status = json.loads((place.mount / ".mmapdirfs/status").read_text())
    support.check_equal(status["operations"]["mkdir"]["count"], TIMES, "count of mkdir")
    support.check_equal(status["operations"]["mkdir"]["errors"], {}, "errors of mkdir")
    latency = status["operations"]["mkdir"]["latency_microseconds"]
    support.check(0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"],
                  f"latencies {latency}")
    support.check_equal(status["source"], str(place.source), "source")
    support.check_equal(status["read_path"], "mapped", "read path")
    support.check_equal(status["options"]["metrics-listen"], "127.0.0.1:0", "an option")
    support.check_equal(status["watch"]["directories"], place.value("watched_directories"),
                        "watched directories")


def server(place: Served) -> None:
    """Other requests are turned away, and who says nothing holds up nobody, nor the unmounting."""
    for url, method, expected in ((place.url, "POST", 405),
                                  (place.url.replace("/metrics", "/etc/passwd"), "GET", 404)):
        request = urllib.request.Request(url, method=method, data=b"x" if method == "POST" else None)
        try:
            with urllib.request.urlopen(request, timeout=support.PATIENCE):
                raise AssertionError(f"{method} {url} was answered")
        except urllib.error.HTTPError as error:
            support.check_equal(error.code, expected, f"status of {method} {url}")
    address = place.url.removeprefix("http://").removesuffix("/metrics")
    host, port = address.split(":")
    silent = socket.create_connection((host, int(port)), timeout=support.PATIENCE)
    silent.sendall(b"GET /met")
    UNFINISHED.append(silent)
    support.check("mmapdirfs_inodes 1" in place.text(), "another one is answered meanwhile")
    other = place.work / "other"
    other.mkdir()
    busy = subprocess.run([ARGUMENTS.mmapdirfs, "-f", f"--metrics-listen={address}", place.source,
                           other], capture_output=True, text=True, check=False,
                          timeout=support.PATIENCE)
    support.check_equal(busy.returncode, 1, "status where the address is taken")
    support.check(f"--metrics-listen={address}: can't listen there: Address already in use"
                  in busy.stderr, busy.stderr)
    support.check(not os.path.ismount(other), "nothing is mounted where it can't be served")


TESTS = {"form": (form, ()), "once": (once, ("--cache=never",)), "absence": (absence, ()),
         "waiting": (waiting, ()), "agreement": (agreement, ()), "server": (server, ())}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("test", choices=TESTS)
    parser.add_argument("--mmapdirfs", required=True)
    parser.add_argument("--prefix", required=True)
    ARGUMENTS = parser.parse_args()
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, support.interrupt)
    signal.alarm(support.TIME_LIMIT)
    test, options = TESTS[ARGUMENTS.test]
    ARGUMENTS.mmapdirfs = os.environ.get("MMAPDIRFS") or ARGUMENTS.mmapdirfs
    with scraping.served(ARGUMENTS.mmapdirfs, ARGUMENTS.prefix, *options) as mounted:
        test(mounted)
