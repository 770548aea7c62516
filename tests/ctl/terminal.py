# SPDX-License-Identifier: MIT
"""A terminal that a test types into and looks at: tmux on a server of its own.

A test waits until it sees what it expects; it never waits for a time.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable

import support_path  # noqa: F401
import support


class Terminal:
    """A context: the server, and all that runs in it, goes with it."""

    def __init__(self, command: list[str], columns: int = 100, rows: int = 24,
                 environment: dict[str, str] | None = None) -> None:
        self._command = command
        self._size = (columns, rows)
        self._environment = {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}
        self._environment.pop("TMUX", None)

    def __enter__(self) -> "Terminal":
        self._directory = tempfile.TemporaryDirectory(prefix="mmapdirctl-tmux-")
        self._socket = os.path.join(self._directory.name, "socket")
        columns, rows = self._size
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                   "--", *self._command)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False,
                       stderr=subprocess.DEVNULL)
        self._directory.cleanup()

    def _tmux(self, *arguments: str) -> str:
        return support.run("tmux", "-u", "-S", self._socket, *arguments, env=self._environment)

    def picture(self) -> str:
        return self._tmux("capture-pane", "-p")

    def coloured_picture(self) -> str:
        return self._tmux("capture-pane", "-p", "-e")

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", "--", text)

    def press(self, key: str) -> None:
        """A key by tmux's name: Enter, Tab, C-c."""
        self._tmux("send-keys", key)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, seen: str | Callable[[str], object]) -> str:
        """The picture once it holds the text, or once the function likes it."""
        likes = (lambda picture: seen in picture) if isinstance(seen, str) else seen
        picture = ""

        def is_there() -> object:
            nonlocal picture
            picture = self.picture()
            return likes(picture)

        try:
            support.wait_until(is_there, f"the terminal shows {seen}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it showed:\n{picture}") from None
        return picture
