# SPDX-License-Identifier: MIT
"""What the tests of metrics share: a mount that serves them, and their values."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "programs"))
import support  # noqa: E402  the place is known only now

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Served:
    """A directory, the same directory mounted, and where the mount's metrics are."""

    def __init__(self, work: pathlib.Path) -> None:
        self.work = work
        self.source = work / "source"
        self.mount = work / "mount"
        self.log = work / "log"

    @property
    def url(self) -> str:
        return re.search(r"metrics at (http\S+)", self.log.read_text()).group(1)

    def text(self) -> str:
        with urllib.request.urlopen(self.url, timeout=support.PATIENCE) as answer:
            return answer.read().decode()

    def values(self) -> dict[tuple[str, frozenset], float]:
        """By name and labels. Asking for them is no operation of the mount."""
        found = {}
        for line in self.text().splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                found[name, frozenset(LABEL.findall(labels or ""))] = float(value)
        return found

    def value(self, name: str, **labels: str) -> float:
        return self.values().get((f"mmapdirfs_{name}", frozenset(labels.items())), 0)

    def count(self, operation: str) -> float:
        return self.value("operation_duration_seconds_count", operation=operation)

    def errors(self, operation: str, errno: str) -> float:
        return self.value("operation_errors_total", operation=operation, errno=errno)


@contextlib.contextmanager
def served(mmapdirfs: str, prefix: str, *options: str) -> Iterator[Served]:
    support.require(os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse can't be opened")
    parent = os.environ.get("MMAPDIR_TEST_DIRECTORY") or "/var/tmp"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as work:
        place = Served(pathlib.Path(work))
        place.source.mkdir()
        place.mount.mkdir()
        # Port 0: one that is free.
        command = [mmapdirfs, "-f", "--read-path=mapped", "--metrics-listen=0", *options,
                   place.source, place.mount]
        with support.mounted(command, place.mount, place.log):
            yield place


def promtool(*arguments: object, text: str = "") -> None:
    """Checks that promtool finds nothing to say against the text."""
    support.require_programs("promtool")
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, text=True,
                          capture_output=True, timeout=support.PATIENCE, check=False)
    support.check(done.returncode == 0 and "lint" not in done.stdout + done.stderr,
                  f"promtool {arguments}: {done.stdout}{done.stderr}")
