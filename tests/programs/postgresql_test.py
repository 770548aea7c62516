# SPDX-License-Identifier: MIT
"""PostgreSQL on a mount: transactions, a crash in the middle of them, recovery, and what is left.

The server refuses to be root's, so where root tests, it is the user `postgres`'s.
"""

import contextlib
import functools
import glob
import os
import pathlib
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator

import support

SCALE = 2  # 200,000 accounts
CLIENTS = 4
TRANSACTIONS = 100  # of each client, before the crash
IS_ROOT = os.geteuid() == 0
USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if IS_ROOT else []


def programs() -> pathlib.Path:
    found = glob.glob("/usr/lib/postgresql/*/bin")
    support.require(found, "postgresql isn't installed (packaging/install-deps test)")
    return pathlib.Path(max(found, key=lambda path: float(path.split("/")[-2])))


def command(name: str, *arguments: object) -> list[str]:
    return [*USER, str(programs() / name), *map(str, arguments)]


def children_of(pid: int) -> list[int]:
    return [int(child) for task in glob.glob(f"/proc/{pid}/task/*/children")
            for child in pathlib.Path(task).read_text().split()]


class Server:
    """A postmaster on a directory, reached by a socket in another; a client's view of both."""

    def __init__(self, data: pathlib.Path, sockets: pathlib.Path):
        self.data = data
        self.sockets = sockets
        self.log = sockets / "log"
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                command("postgres", "-D", data, "-k", sockets, "-c", "listen_addresses=",
                        "-c", "shared_buffers=16MB", "-c", "checkpoint_timeout=30s",
                        "-c", "max_wal_size=64MB"),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def client(self, name: str, *arguments: object) -> list[str]:
        return command(name, "-h", self.sockets, *arguments)

    def ask(self, question: str) -> str:
        return support.run(*self.client("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", question,
                                        "postgres")).strip()

    def answers(self) -> bool:
        support.check(self.process.poll() is None,
                      f"a server that stays:\n{self.log.read_text(errors='replace')}")
        return subprocess.run(self.client("pg_isready", "-q")).returncode == 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast": a checkpoint, then the end
        support.check_equal(self.process.wait(support.PATIENCE), 0, "the server's status")

    def crash(self) -> None:
        """No process of the server lives to see the others die, or writes anything more."""
        self.process.send_signal(signal.SIGSTOP)  # it makes no more of them
        children = [os.pidfd_open(pid) for pid in children_of(self.process.pid)]
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
        self.process.wait()
        for child in children:
            select.select([child], [], [])
            os.close(child)


@contextlib.contextmanager
def serving(data: pathlib.Path, sockets: pathlib.Path) -> Iterator[Server]:
    server = Server(data, sockets)
    try:
        support.wait_until(server.answers, "the server answers")
        yield server
        if server.process.poll() is None:
            server.stop()
    finally:
        if server.process.poll() is None:
            server.crash()


def make_own(directory: pathlib.Path) -> pathlib.Path:
    directory.mkdir()
    if IS_ROOT:
        shutil.chown(directory, "postgres", "postgres")
    return directory


def crash_under_load(server: Server) -> int:
    """How many transactions the server had acknowledged when it crashed, at least."""
    support.run(*server.client("pgbench", "-n", "-c", CLIENTS, "-t", TRANSACTIONS, "postgres"),
                stderr=subprocess.DEVNULL)
    before = int(server.ask("SELECT count(*) FROM pgbench_history"))
    support.check_equal(before, CLIENTS * TRANSACTIONS, "transactions of pgbench")
    load = subprocess.Popen(server.client("pgbench", "-n", "-c", CLIENTS, "-T", 600, "postgres"),
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        history = functools.partial(server.ask, "SELECT count(*) FROM pgbench_history")
        support.wait_until(lambda: int(history()) > 2 * before, "transactions under way")
        seen = int(history())
        server.crash()
    finally:
        load.kill()
        load.wait()
    return seen


def check_accounts(server: Server, least: int) -> int:
    """Each transaction added one amount in four places."""
    sums = {server.ask(f"SELECT coalesce(sum({column}), 0) FROM pgbench_{table}")
            for table, column in (("accounts", "abalance"), ("tellers", "tbalance"),
                                  ("branches", "bbalance"), ("history", "delta"))}
    support.check_equal(len(sums), 1, f"different sums after recovery: {sums}")
    found = int(server.ask("SELECT count(*) FROM pgbench_history"))
    support.check(found >= least, f"{least} transactions were acknowledged, {found} are there")
    return found


def check_second_server_refused(server: Server, data: pathlib.Path) -> None:
    second = subprocess.run(command("postgres", "-D", data, "-k", server.sockets),
                            stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=support.PATIENCE)
    support.check(second.returncode != 0 and "postmaster.pid" in second.stderr,
                  f"a second server is refused: {second.stderr}")


def test(place: support.Place) -> None:
    sockets = make_own(place.scratch / "sockets")
    make_own(place.source / "own")
    mounted, source = (side / "own" / "data" for side in (place.mount, place.source))
    support.run(*command("initdb", "--data-checksums", "--auth=trust", "--username=postgres",
                         "--no-locale", "--encoding=UTF8", "-D", mounted))
    os.environ["PGUSER"] = "postgres"
    with serving(mounted, sockets) as server:
        support.run(*server.client("pgbench", "-i", "-q", "-s", SCALE, "postgres"),
                    stderr=subprocess.DEVNULL)
        check_second_server_refused(server, source)
        acknowledged = crash_under_load(server)

    with serving(mounted, sockets) as server:
        log = server.log.read_text(errors="replace")
        support.check("redo done" in log, f"the server recovers:\n{log}")
        found = check_accounts(server, acknowledged)
        server.ask("VACUUM FULL pgbench_accounts")
        support.run(*server.client("pg_amcheck", "--install-missing", "--heapallindexed",
                                   "--database=postgres"))

    support.run(*command("pg_checksums", "--check", "-D", source))
    with serving(source, sockets) as server:
        support.check_equal(check_accounts(server, found), found, "transactions on the source")


if __name__ == "__main__":
    support.require_programs("setpriv")
    programs()
    # The server is another user than the daemon where root tests.
    support.main(test, mount_options=("-o", "allow_other") if IS_ROOT else ())
