# SPDX-License-Identifier: MIT
"""rsync and tar into a mount and out of it again: the trees are identical in all they can hold."""

import dataclasses
import hashlib
import os
import pathlib
import stat
import struct

import support

NOW = 1_700_000_000 * 10**9
MIB = 1 << 20


# --- A tree -------------------------------------------------------------------------------------


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel takes it: (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY_IN_PARTICULAR = 0xFFFFFFFF
ACL = acl((0x01, 6, NOBODY_IN_PARTICULAR), (0x02, 5, 1234), (0x04, 4, NOBODY_IN_PARTICULAR),
          (0x08, 6, 4321), (0x10, 7, NOBODY_IN_PARTICULAR), (0x20, 0, NOBODY_IN_PARTICULAR))
# cap_net_bind_service, permitted and effective
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def make_files(root: pathlib.Path) -> None:
    (root / "empty").touch()
    (root / "large").write_bytes(hashlib.shake_128(b"large").digest(3 * MIB))
    with open(root / "sparse", "wb") as sparse:
        sparse.write(b"head")
        sparse.seek(64 * MIB)
        sparse.write(b"tail")
    (root / "hard link").write_text("three names")
    os.link(root / "hard link", root / "directory" / "another name")
    os.link(root / "hard link", root / "directory" / "deeper" / "third name")
    for number in range(200):
        (root / "many" / f"file {number}").write_text(f"{number}\n" * number)


def make_names(root: pathlib.Path) -> None:
    for name in (b"n" * 255, b"new\nline", b"\xff\xfe not UTF-8", b" spaces ", b"-dash", b"\\back"):
        with open(os.fsencode(root / "names") + b"/" + name, "wb") as file:
            file.write(name)


def make_special(root: pathlib.Path) -> None:
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "device", stat.S_IFCHR | 0o620, os.makedev(1, 3))
    os.symlink("directory/another name", root / "symlink")
    os.symlink("t" * 250, root / "dangling")
    os.lchown(root / "symlink", 1234, 4321)


def make_attributes(root: pathlib.Path) -> None:
    for number, mode in enumerate((0o4755, 0o2750, 0o1777, 0o000, 0o6711)):
        file = root / f"mode {mode:o}"
        file.write_text("modes")
        os.chown(file, 1000 + number, 2000 + number)
        os.chmod(file, mode)
    os.chown(root / "many", 1234, 4321)
    os.chmod(root / "many", 0o3775)
    attributes = root / "attributes"
    attributes.write_text("attributes")
    os.setxattr(attributes, "user.text", b"of a user")
    os.setxattr(attributes, "user.bytes", bytes(range(256)))
    os.setxattr(attributes, "user.empty", b"")
    os.setxattr(attributes, "trusted.mmapdirfs", b"of root")
    os.setxattr(attributes, "system.posix_acl_access", ACL)
    os.setxattr(root / "directory", "user.text", b"of a directory")
    os.setxattr(root / "directory", "system.posix_acl_access", ACL)
    os.setxattr(root / "directory", "system.posix_acl_default", ACL)
    (root / "capable").write_text("a program")
    os.setxattr(root / "capable", "security.capability", CAPABILITY)


def make_times(root: pathlib.Path) -> None:
    """Last of all, and directories after what they hold."""
    for number, path in enumerate(sorted(root.rglob("*"), reverse=True)):
        time = NOW + number * 1_000_000_007
        os.utime(path, ns=(time, time), follow_symlinks=False)
    os.utime(root, ns=(NOW, NOW))


def make_tree(root: pathlib.Path) -> None:
    for name in ("", "directory", "directory/deeper", "many", "names", "empty directory"):
        (root / name).mkdir()
    for make in (make_files, make_names, make_special, make_attributes, make_times):
        make(root)


# --- Comparing ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Entry:
    mode: str
    owner: tuple[int, int]
    modified: int
    device: int
    content: str
    is_sparse: bool
    attributes: dict[str, bytes]
    names: list[str]  # of this inode


def content_of(path: str, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def entries_of(root: pathlib.Path) -> dict[str, Entry]:
    paths = [str(root), *map(str, root.rglob("*"))]
    statuses = {path: os.lstat(path) for path in paths}
    names: dict[int, list[str]] = {}
    for path, status in sorted(statuses.items()):
        names.setdefault(status.st_ino, []).append(os.path.relpath(path, root))
    return {
        os.path.relpath(path, root): Entry(
            mode=stat.filemode(status.st_mode),
            owner=(status.st_uid, status.st_gid),
            modified=status.st_mtime_ns,
            device=status.st_rdev,
            content=content_of(path, status),
            is_sparse=status.st_blocks * 512 < status.st_size // 2,
            attributes={name: os.getxattr(path, name, follow_symlinks=False)
                        for name in os.listxattr(path, follow_symlinks=False)},
            names=names[status.st_ino])
        for path, status in statuses.items()}


def check_same(found: pathlib.Path, expected: dict[str, Entry]) -> None:
    entries = entries_of(found)
    support.check_equal(sorted(entries), sorted(expected), f"names in {found}")
    for name, entry in expected.items():
        support.check_equal(entries[name], entry, f"{name!r} in {found}")


# --- Copying ------------------------------------------------------------------------------------


def rsync(from_directory: pathlib.Path, to_directory: pathlib.Path) -> None:
    support.run("rsync", "-aHAXS", f"{from_directory}/", to_directory)
    again = support.run("rsync", "-aHAXSn", "--delete", "--itemize-changes", "--checksum",
                        f"{from_directory}/", to_directory)
    support.check_equal(again, "", "what rsync would change after it is done")


def tar(from_directory: pathlib.Path, to_directory: pathlib.Path) -> None:
    everything = ["--format=posix", "--acls", "--xattrs", "--xattrs-include=*", "--sparse",
                  "--numeric-owner"]
    archive = to_directory.with_suffix(".tar")
    support.run("tar", *everything, "-cf", archive, "-C", from_directory, ".")
    to_directory.mkdir()
    support.run("tar", *everything, "-xpf", archive, "-C", to_directory)
    support.run("tar", *everything, "--compare", "-f", archive, "-C", to_directory)


def test(place: support.Place) -> None:
    original = place.scratch / "original"
    make_tree(original)
    expected = entries_of(original)
    support.check(expected["sparse"].is_sparse, "a file system with sparse files")
    for copy in (rsync, tar):
        name = copy.__name__
        copy(original, place.mount / name)
        check_same(place.mount / name, expected)
        check_same(place.source / name, expected)
        copy(place.mount / name, place.scratch / name)
        check_same(place.scratch / name, expected)
        copy(place.mount / name, place.mount / f"{name} within")
        check_same(place.source / f"{name} within", expected)


if __name__ == "__main__":
    support.require_programs("rsync", "tar")
    support.require_root("a tree with the owners, devices and attributes that trees have")
    support.main(test, mount_options=("-o", "dev,suid"))
