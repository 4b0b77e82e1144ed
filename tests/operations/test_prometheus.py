"""A real Prometheus reads a server of two workers; its rules, alerts and the dashboard work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.conftest import ServerContext, find_free_port
from tests.operations.commands import COMMANDED
from tests.operations.dashboards import (
    PROMETHEUS,
    as_grafana_sends_it,
    panel_expressions,
    rules,
)
from tests.operations.fronts import PRODUCTION, serving, wait_for
from tests.operations.mixed_load import Tally, mix, send

pytestmark = pytest.mark.tools

OFTEN = "200ms"
#: needs what this machine or this load may not have: a container's limit, streams cut off, ...
MAY_BE_EMPTY = {
    "Memory of the container",
    "Answers cut off",
    "Turned away, too late, given up",
    "Growth of memory by request",
}


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "tests/alerts.yml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees_with_the_files(command: tuple[str, ...]):
    done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout + done.stderr


class Prometheus:
    """Asks a running Prometheus."""

    def __init__(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def is_ready(self) -> bool:
        """Does it answer yet?"""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now; it must be valid."""
        reply = self._client.get("/api/v1/query", params={"query": expression})
        assert reply.status_code == 200, f"{expression}: {reply.text}"
        found: list[dict[str, Any]] = reply.json()["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules, with their health."""
        groups = self._client.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def requests(self) -> Tally:
        """Requests of the load by method, endpoint and status, as it was last told."""
        of_load = 'drum_requests_total{endpoint!~"/metrics|/health/|/stats/"} > 0'
        tally = Tally()
        for series in self.ask(of_load):
            labels = series["metric"]
            key = labels["method"], labels["endpoint"], labels["status"]
            tally[key] = int(series["value"][1])
        return tally


@contextmanager
def prometheus_of(folder: Path, target: int) -> Iterator[Prometheus]:
    """A Prometheus that scrapes that port with our configuration, only more often."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    intervals = dict.fromkeys(("scrape_interval", "evaluation_interval"), OFTEN)
    config["global"] = {**intervals, "scrape_timeout": OFTEN}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    del job["scrape_timeout"]
    for name in config["rule_files"]:
        groups = yaml.safe_load((PROMETHEUS / name).read_text())
        for group in groups["groups"]:
            group["interval"] = "1s"
        (folder / name).write_text(yaml.safe_dump(groups))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = find_free_port()
    options = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    environment = {"PATH": os.environ["PATH"]}
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(
            ["prometheus", *options], env=environment, stdout=output, stderr=output
        )
    prometheus = Prometheus(port)
    try:
        wait_for(prometheus.is_ready, "Prometheus")
        yield prometheus
    finally:
        prometheus.close()
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("front", [PRODUCTION[0], PRODUCTION[-1]], ids=str)
def test_prometheus_has_the_totals_and_the_dashboard_has_data(
    running_server: ServerContext, tmp_path: Path, front
):
    env = {"COMMAND_PLACE": str(tmp_path), "DRUM_FASTAPI_MAX_UPLOAD_SIZE": "2000"}
    options = ("--max-workers", "2")
    with (
        serving(running_server, front, COMMANDED, *options, env=env) as server,
        prometheus_of(tmp_path, server.port) as prometheus,
    ):
        wait_for(lambda: prometheus.ask("up == 1"), "the first scrape")
        tally = send(server.port, mix(10, 2000))
        wait_for(lambda: prometheus.requests().total() >= tally.total(), "all counts", 20)
        assert prometheus.requests() == tally

        tally += send(server.port, mix(2, 2000))
        wait_for(lambda: prometheus.requests() == tally, "the counts of the second load", 20)
        wait_for(lambda: prometheus.ask("job_server_type:drum_predictions:rate5m > 0"), "rules")
        panels_have_data(prometheus)
        assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
        assert len(prometheus.rules()) == len(list(rules()))


def panels_have_data(prometheus: Prometheus) -> None:
    """Each expression is valid, and those whose cause was there have a figure that is a number."""
    for title, expression in panel_expressions():
        found = prometheus.ask(as_grafana_sends_it(expression))
        values = [float(series["value"][1]) for series in found]
        assert values or title in MAY_BE_EMPTY, f"{title}: no data for {expression}"
        assert any(value == value for value in values) or not values, f"{title}: not a number"
