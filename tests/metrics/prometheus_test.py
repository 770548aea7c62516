# SPDX-License-Identifier: MIT
"""A real Prometheus scrapes a real mount: every expression of the Grafana dashboard gives data, and
every example alert is evaluated. Which alerts come, and when, alerts.yml tells."""

import argparse
import contextlib
import itertools
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator

import scraping
import support
from scraping import Served

PACKAGING = pathlib.Path(__file__).parent.parent.parent / "packaging"
RULES = PACKAGING / "prometheus" / "mmapdirfs.rules.yml"
EXAMPLE = PACKAGING / "prometheus" / "prometheus.yml"
DASHBOARD = PACKAGING / "grafana" / "mmapdirfs.json"

CONFIGURATION = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: mmapdirfs
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> dict:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{query}",
                                        timeout=support.PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def has_data(self, expression: str) -> bool:
        result = self.get("query", query=expression)["result"]
        return any(not math.isnan(float(series["value"][1])) for series in result)


@contextlib.contextmanager
def scraping_prometheus(work: pathlib.Path, target: str) -> Iterator[Prometheus]:
    """On a port that is free, with data of its own, ended by its process id."""
    configuration = work / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(rules=RULES, target=target))
    log = work / "prometheus.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "prometheus", f"--config.file={configuration}",
             f"--storage.tsdb.path={work / 'data'}", "--web.listen-address=127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        listening = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')
        support.wait_until(lambda: listening.search(log.read_text()) or process.poll() is not None,
                           "a Prometheus that listens")
        support.check(process.poll() is None, f"Prometheus runs: {log.read_text()}")
        yield Prometheus(f"http://{listening.search(log.read_text()).group(1)}")
    finally:
        process.kill()
        process.wait()


def expressions() -> list[str]:
    """The dashboard's, with its variables as Grafana would fill them in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    support.check(len(found) > 20, f"expressions of the dashboard: {found}")
    found = [each.replace("$instance", ".*").replace("$__rate_interval", "1m") for each in found]
    support.check(not any("$" in each for each in found), f"variables that aren't known: {found}")
    return found


def worker(place: Served) -> Callable[[], None]:
    """Does something of each kind that the dashboard shows; every call does it anew."""
    numbers = itertools.count()

    def work() -> None:
        path = place.mount / f"file {next(numbers)}"
        path.write_bytes(b"x" * 10000)
        path.read_bytes()
        path.unlink()
        (place.source / "beside").write_bytes(b"x")
        with contextlib.suppress(FileNotFoundError):
            os.stat(place.mount / "absent")
        (place.mount / "beside").read_bytes()
        (place.source / "beside").unlink()
        with contextlib.suppress(OSError):
            os.rmdir(place.mount / "full")

    return work


def dashboard(place: Served, prometheus: Prometheus) -> None:
    (place.source / "full" / "directory").mkdir(parents=True)
    work = worker(place)

    def gives_data(expression: str) -> bool:
        work()
        return prometheus.has_data(expression)

    support.wait_until(lambda: gives_data('up{job="mmapdirfs"} == 1'), "a scrape of the mount")
    for expression in expressions():
        support.wait_until(lambda e=expression: gives_data(e), f"data of {expression}")


def alerts(prometheus: Prometheus) -> None:
    def rules() -> list[dict]:
        return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    support.wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()),
                       "each rule is evaluated")
    support.check(len(rules()) > 5, "rules are there")
    for rule in rules():
        support.check_equal(rule["health"], "ok", f"health of {rule['name']}: {rule}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mmapdirfs", required=True)
    parser.add_argument("--prefix", required=True)
    arguments = parser.parse_args()
    support.require_programs("prometheus", "promtool", "setpriv")
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, support.interrupt)
    signal.alarm(support.TIME_LIMIT)
    scraping.promtool("check", "rules", RULES)
    scraping.promtool("test", "rules", pathlib.Path(__file__).parent / "alerts.yml")
    scraping.promtool("check", "config", EXAMPLE)
    mmapdirfs = os.environ.get("MMAPDIRFS") or arguments.mmapdirfs
    with scraping.served(mmapdirfs, arguments.prefix) as place:
        target = place.url.removeprefix("http://").removesuffix("/metrics")
        with scraping_prometheus(place.work, target) as prometheus:
            dashboard(place, prometheus)
            alerts(prometheus)


if __name__ == "__main__":
    main()
