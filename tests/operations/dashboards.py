"""What the files of deploy/observability ask Prometheus, for tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "observability"
DASHBOARD = FOLDER / "grafana" / "drum.json"
PROMETHEUS = FOLDER / "prometheus"
RULE_FILES = (PROMETHEUS / "rules.yml", PROMETHEUS / "alerts.yml")

#: a metric, and the matchers in braces after it
SELECTOR = re.compile(r"\b((?:[a-z_]+:)?drum_[a-z0-9_:]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


def dashboard() -> dict[str, Any]:
    """The dashboard of Grafana."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panel_expressions() -> Iterator[tuple[str, str]]:
    """Title of a panel and expression, as they are in the dashboard."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def rules() -> Iterator[dict[str, Any]]:
    """All recording and alert rules."""
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def as_grafana_sends_it(expression: str, window: str = "1m") -> str:
    """With all jobs, instances and server types chosen."""
    sent = expression.replace("$__rate_interval", window)
    return re.sub(r"\$(job|instance|server_type)\b", ".*", sent)


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each metric with the labels and values that it is chosen by."""
    for name, matchers in SELECTOR.findall(expression):
        yield name, MATCHER.findall(matchers)


def groupings(expression: str) -> set[str]:
    """Labels that results are summed or joined by."""
    lists = GROUPING.findall(expression)
    return {word.strip() for words in lists for word in words.split(",") if word.strip()}
