# SPDX-License-Identifier: MIT
"""top in a real terminal: it draws, follows the terminal's size, and leaves what was there before."""

import contextlib
import os
import pathlib
import signal

import support_path  # noqa: F401
import support
from terminal import Terminal

BEFORE = "what stood here before"


def stty(terminal: Terminal) -> None:
    """The terminal echoes and reads by lines again."""
    terminal.type("stty -a\n")
    terminal.wait_for(lambda picture: " icanon " in picture and " echo " in picture)
    terminal.type("clear\n")


def start_top(terminal: Terminal, mount: pathlib.Path) -> str:
    terminal.type(f"echo {BEFORE.replace(' ', '_')}\n".replace("_", "\\ "))
    terminal.wait_for(f"\n{BEFORE}\n")
    terminal.type(f"mmapdirctl top --interval=0.2 {mount}\n")
    picture = terminal.wait_for("postlist.glass")
    support.check(BEFORE not in picture, "top has the screen for itself")
    support.check("READS/S" in picture, "the table has a heading")
    return picture


def is_over(picture: str) -> bool:
    return BEFORE in picture and "READS/S" not in picture


def pid_of_top(mount: pathlib.Path) -> int:
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().endswith(
                    f"--interval=0.2\0{mount}\0".encode()):
                return int(entry.name)
    raise AssertionError("top isn't running")


def test(place: support.Place) -> None:
    support.require_programs("tmux", "bash", "stty")
    (place.source / "postlist.glass").write_bytes(b"x" * 65536)
    environment = {"PATH": f"{os.environ['MMAPDIRFS_BIN']}:{os.environ['PATH']}", "PS1": "$ "}
    command = ["bash", "--noprofile", "--norc", "-i"]
    with (open(place.mount / "postlist.glass", "rb"),
          Terminal(command, columns=100, environment=environment) as terminal):
        start_top(terminal, place.mount)
        print(terminal.picture())
        # A narrower terminal: no line is broken, and the whole is drawn anew.
        terminal.resize(70, 10)
        terminal.wait_for(lambda picture: all(len(line) <= 70 for line in picture.splitlines())
                          and "READS/S" in picture and picture.count("READS") == 2)
        terminal.resize(120, 30)
        terminal.wait_for("postlist.glass")
        terminal.press("q")
        terminal.wait_for(is_over)
        stty(terminal)

        start_top(terminal, place.mount)
        terminal.press("C-c")
        terminal.wait_for(is_over)
        stty(terminal)

        start_top(terminal, place.mount)
        os.kill(pid_of_top(place.mount), signal.SIGTERM)
        terminal.wait_for(is_over)
        stty(terminal)

        start_top(terminal, place.mount)
        terminal.press("C-z")
        terminal.wait_for(is_over)
        terminal.type("fg\n")
        terminal.wait_for(lambda picture: "READS/S" in picture and BEFORE not in picture)
        terminal.press("q")
        terminal.wait_for(is_over)


if __name__ == "__main__":
    support.main(test)
