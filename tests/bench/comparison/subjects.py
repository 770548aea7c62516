# SPDX-License-Identifier: MIT
"""The ways to a directory that are compared."""

import dataclasses
import fnmatch
import pathlib
import re
import shutil
from collections.abc import Sequence

from . import programs

SOURCE = "source"


@dataclasses.dataclass(frozen=True)
class Subject:
    """The source itself, or a mount of it."""

    name: str
    command: tuple[str, ...] = ()  # what SOURCE MOUNTPOINT is added to; the source has none
    is_read_only: bool = False


@dataclasses.dataclass(frozen=True)
class Offer:
    """What can be compared on this machine, and why the rest can't."""

    subjects: list[Subject]
    left_out: dict[str, str]


# Name and options; each over /dev/fuse and over io_uring.
OURS = {
    "passthrough": ("--read-path=passthrough",),
    "mapped": ("--read-path=mapped",),
    "mapped, cache=never": ("--read-path=mapped", "--cache=never"),
    "mapped, read-only": ("--read-path=mapped", "-oro"),
}


def others(passthrough_hp: pathlib.Path) -> list[Subject]:
    # mergerfs makes no file where less than 4 GiB are free, unless told otherwise.
    mergerfs = ("mergerfs", "-ominfreespace=0")
    return [
        Subject("bindfs", ("bindfs",)),
        Subject("mergerfs", mergerfs),
        Subject("mergerfs, cache.files=full", (*mergerfs, "-ocache.files=full")),
        Subject("passthrough_hp", (str(passthrough_hp),)),
        Subject("passthrough_hp, no passthrough", (str(passthrough_hp), "--nopassthrough")),
    ]


def option_help(help_text: str, option: str) -> str:
    """What --help says of one option; nothing, if the program hasn't got it."""
    sections = re.split(r"\n  (?=-)", help_text)
    return next((section for section in sections if section.startswith(option)), "")


def ours(daemon: pathlib.Path, kernel_has_uring: bool) -> Offer:
    offer = Offer([], {})
    help_text = programs.run([daemon, "--help"])
    knows_uring = bool(option_help(help_text, "--io-uring"))
    knows_always = "always" in option_help(help_text, "--cache")
    for name, options in OURS.items():
        command = (str(daemon), *options)
        is_read_only = "-oro" in options
        if is_read_only and knows_always:
            command += ("--cache=always",)
        over_device = (*command, "--io-uring=off") if knows_uring else command
        offer.subjects.append(Subject(name, over_device, is_read_only))
        over_uring = f"{name}, io_uring"
        if not knows_uring:
            offer.left_out[over_uring] = "this mmapdirfs has no --io-uring"
        elif not kernel_has_uring:
            offer.left_out[over_uring] = "this kernel has no FUSE over io_uring"
        else:
            offer.subjects.append(Subject(over_uring, (*command, "--io-uring=on"), is_read_only))
    return offer


def offered(daemon: pathlib.Path, passthrough_hp: pathlib.Path, kernel_has_uring: bool) -> Offer:
    """All subjects, the source first."""
    offer = ours(daemon, kernel_has_uring)
    offer.subjects.insert(0, Subject(SOURCE))
    for subject in others(passthrough_hp):
        if shutil.which(subject.command[0]):
            offer.subjects.append(subject)
        else:
            offer.left_out[subject.name] = f"{subject.command[0]} isn't there"
    return offer


def is_chosen(name: str, patterns: Sequence[str]) -> bool:
    """Whether the name fits a pattern; all do without patterns, and the source always does."""
    return (not patterns or name == SOURCE
            or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
