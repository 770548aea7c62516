# SPDX-License-Identifier: MIT
"""git on a mount: clone, commit, merge, gc and fsck, and the source's git agrees with it all."""

import functools
import os
import pathlib
import random

import support

FILES = 200
COMMITS = 6

# Nobody's own settings and hooks play a part.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(repository: pathlib.Path, *arguments: object) -> str:
    return support.run("git", "-C", repository, "-c", "init.defaultBranch=main", *arguments,
                       env=ENVIRONMENT)


def change(repository: pathlib.Path, seed: int) -> None:
    numbers = random.Random(seed)
    for number in numbers.sample(range(FILES), FILES // 5):
        file = repository / f"directory{number % 20}" / f"file{number}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(numbers.randbytes(numbers.randrange(20_000)))
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", f"--message=change {seed}")


def create(origin: pathlib.Path) -> None:
    origin.mkdir()
    git(origin, "init", "--quiet")
    for seed in range(COMMITS):
        change(origin, seed)


def check_same(mounted: pathlib.Path, source: pathlib.Path) -> None:
    # The index holds each file's inode, size and times: what it says on the mount is so on the
    # source. diff-files, unlike status, believes it.
    git(source, "diff-files", "--quiet")
    for question in (("rev-parse", "HEAD"), ("status", "--porcelain"), ("ls-files", "--stage"),
                     ("count-objects", "--verbose"), ("stash", "list"), ("reflog",)):
        support.check_equal(git(source, *question), git(mounted, *question), " ".join(question))
    for repository in (mounted, source):
        git(repository, "fsck", "--full", "--strict", "--no-progress")


def test(place: support.Place) -> None:
    origin = place.scratch / "origin"
    create(origin)
    on = functools.partial(git, place.mount / "clone")
    # file://, so that objects are packed and sent rather than linked.
    git(place.mount, "clone", "--quiet", f"file://{origin}", "clone")
    check_same(place.mount / "clone", place.source / "clone")

    on("checkout", "--quiet", "-b", "branch")
    change(place.mount / "clone", COMMITS)
    on("mv", "directory1", "moved")
    on("commit", "--quiet", "--message=move")
    on("checkout", "--quiet", "main")
    (place.mount / "clone" / "new").write_text("new")
    on("add", "new")
    on("commit", "--quiet", "--message=new")
    on("merge", "--quiet", "--no-edit", "branch")
    check_same(place.mount / "clone", place.source / "clone")

    on("gc", "--quiet", "--prune=now")
    support.check("count: 0" in on("count-objects", "--verbose"), "gc packs every object")
    check_same(place.mount / "clone", place.source / "clone")

    # The source's writer and the mount's, one after the other.
    change(place.source / "clone", COMMITS + 1)
    change(place.mount / "clone", COMMITS + 2)
    on("push", "--quiet", "origin", "HEAD:refs/heads/pushed")
    support.check_equal(git(origin, "rev-parse", "pushed"), on("rev-parse", "HEAD"), "the push")
    check_same(place.mount / "clone", place.source / "clone")


if __name__ == "__main__":
    support.require_programs("git")
    support.main(test)
