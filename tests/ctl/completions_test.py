# SPDX-License-Identifier: MIT
"""Completion of mmapdirctl and mmapdirfs as a user sees it: Tab pressed in bash, zsh and fish."""

import os
import pathlib

import support_path  # noqa: F401
import support
from terminal import Terminal

COMPLETIONS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "completions"
PROMPT = "ready> "


def start_files(directory: pathlib.Path) -> dict[str, list[str]]:
    """For each shell the command that starts it with our completions and nothing of the user's."""
    bash = directory / "bashrc"
    bash.write_text("source /usr/share/bash-completion/bash_completion\n"
                    f"source {COMPLETIONS}/mmapdirctl.bash\nsource {COMPLETIONS}/mmapdirfs.bash\n"
                    f"bind 'set bell-style none'\nPS1='{PROMPT}'\n")
    zsh = directory / ".zshrc"
    zsh.write_text(f"fpath=({COMPLETIONS} $fpath)\nautoload -U compinit\n"
                   f"compinit -u -d {directory}/zcompdump\nunsetopt beep\nPS1='{PROMPT}'\n")
    fish = directory / "start.fish"
    fish.write_text(f"source {COMPLETIONS}/mmapdirctl.fish\nsource {COMPLETIONS}/mmapdirfs.fish\n"
                    f"function fish_prompt; printf '{PROMPT}'; end\nset fish_greeting\n")
    return {"bash": ["bash", "--noprofile", "--rcfile", str(bash), "-i"],
            "zsh": ["zsh", "-d", "-i"],
            "fish": ["fish", "--private", "--init-command", f"source {fish}"]}


def completes(terminal: Terminal, typed: str, expected: str) -> None:
    """What was typed becomes what is expected by a Tab; then the line is cleared."""
    terminal.type(typed)
    terminal.wait_for(PROMPT + typed)
    terminal.press("Tab")
    terminal.wait_for(expected)
    terminal.press("C-u")
    terminal.wait_for(lambda picture: picture.strip().splitlines()[-1].strip() == PROMPT.strip())


def test(place: support.Place) -> None:
    support.require_programs("tmux", "bash", "zsh", "fish")
    support.require(os.path.exists("/usr/share/bash-completion/bash_completion"),
                    "bash-completion isn't installed (packaging/install-deps test)")
    (place.source / "postlist.glass").write_bytes(b"x")
    mount = str(place.mount)
    environment = {"PATH": f"{os.environ['MMAPDIRFS_BIN']}:{os.environ['PATH']}",
                   "HOME": str(place.scratch), "ZDOTDIR": str(place.scratch)}
    for shell, command in start_files(place.scratch).items():
        print(shell, flush=True)
        with Terminal(command, columns=150, environment=environment) as terminal:
            terminal.wait_for(PROMPT.strip())
            completes(terminal, "mmapdirctl clear", "mmapdirctl clear-cache")
            completes(terminal, "mmapdirctl hot sa", "mmapdirctl hot save")
            completes(terminal, f"mmapdirctl status {mount[:-2]}", f"mmapdirctl status {mount}")
            completes(terminal, "mmapdirctl warm --li", "mmapdirctl warm --limit")
            completes(terminal, f"mmapdirctl warm {mount} post",
                      f"mmapdirctl warm {mount} postlist.glass")
            completes(terminal, f"mmapdirctl log-level {mount} deb",
                      f"mmapdirctl log-level {mount} debug")
            completes(terminal, "mmapdirfs --read-p", "mmapdirfs --read-path")
            completes(terminal, "mmapdirfs --cache=nev", "mmapdirfs --cache=never")


if __name__ == "__main__":
    support.main(test)
