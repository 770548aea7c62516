# SPDX-License-Identifier: MIT
"""Running other programs, fio among them."""

import json
import pathlib
import subprocess
from typing import IO, Any

PATIENCE = 300  # seconds; a mount that doesn't answer costs figures, not the whole comparison


class Failed(Exception):
    """Something that the benchmark needs didn't work; the text is for the user."""


def run(command: list[Any], stdout: int | IO[bytes] = subprocess.PIPE, **options: Any) -> str:
    """What the command printed, unless that goes elsewhere."""
    try:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=PATIENCE, **options)
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[0]} took more than {PATIENCE} seconds") from error
    printed = (done.stdout or b"").decode()
    if done.returncode != 0:
        said = (done.stderr.decode() or printed).strip().splitlines() or ["it said nothing"]
        more = f" (and {len(said) - 1} lines more)" if len(said) > 1 else ""
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}: {said[0]}{more}")
    return printed


def fio(file: pathlib.Path, size: int, arguments: list[str]) -> dict[str, dict[str, float]]:
    """The figures of fio's jobs on a file, added up: {"read": {"bw_bytes":, "iops":}, "write": ...}

    fio is told not to drop the file's pages first.
    """
    jobs = json.loads(run(["fio", "--name=job", f"--filename={file}", f"--size={size}",
                           "--invalidate=0", "--thread", "--output-format=json",
                           *arguments]))["jobs"]
    return {way: {key: sum(job[way][key] for job in jobs) for key in ("bw_bytes", "iops")}
            for way in ("read", "write")}


def for_seconds(seconds: float) -> list[str]:
    """fio's arguments for going over the file again and again."""
    return ["--time_based", f"--runtime={round(seconds * 1000)}ms"]
