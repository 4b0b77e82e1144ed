"""Dashboard, rules and alerts ask for metrics, labels and routes that the server has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.operations.dashboards import (
    dashboard,
    groupings,
    panel_expressions,
    rules,
    selectors,
)

from datarobot_drum.drum.observability.metric_table import METRICS, SERVER_TYPE
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.routes import ROUTES, Kind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "METRICS.md"
FROM_PROMETHEUS = {"job", "instance"}
PARTS_OF_HISTOGRAMS = ("_bucket", "_count", "_sum")
RULES = list(rules())
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERTS = [rule for rule in RULES if "alert" in rule]
EXPRESSIONS = [expression for _, expression in panel_expressions()] + [r["expr"] for r in RULES]
#: paths under which predictions are counted
PREDICTIONS = {
    route.paths[0] for route in ROUTES if route.kind is Kind.MODEL and "POST" in route.methods
}


def labels_of(name: str) -> set[str]:
    """Labels of a metric or of what a rule records; it is told where there is none."""
    if name in RECORDED:
        levels = name.partition(":")[0]
        known = {label for row in METRICS for label in row.labels} | {SERVER_TYPE, "le"}
        return {label for label in known | FROM_PROMETHEUS if label in levels}
    for row in METRICS:
        parts = [row.name + part for part in PARTS_OF_HISTOGRAMS] if row.kind == "histogram" else []
        if name in (row.name, *parts):
            return {*row.labels, SERVER_TYPE, "le", *FROM_PROMETHEUS}
    raise AssertionError(f"there is no metric {name!r}")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_ask_for_metrics_and_labels_that_there_are(expression: str):
    asked = list(selectors(expression))
    known = set(FROM_PROMETHEUS)
    for name, matchers in asked:
        known |= labels_of(name)
        assert {label for label, _ in matchers} <= labels_of(name)
    assert asked or expression.startswith("up{")
    assert groupings(expression) <= known


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_name_all_routes_of_predictions_and_states_that_there_are(expression: str):
    chosen = [pair for _, matchers in selectors(expression) for pair in matchers]
    for label, value in chosen:
        if label == "endpoint":
            assert set(value.split("|")) == PREDICTIONS
        if label == "state":
            assert value in {state.value for state in State}


def test_every_metric_is_on_the_dashboard():
    shown = {name for _, expression in panel_expressions() for name, _ in selectors(expression)}
    without_parts = {re.sub("_bucket$", "", name) for name in shown}
    assert {row.name for row in METRICS} <= without_parts


def test_panels_are_told_apart_and_do_not_overlap():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_dashboard_can_choose_source_job_instance_and_server_type():
    variables = [variable["name"] for variable in dashboard()["templating"]["list"]]
    assert variables == ["datasource", "job", "instance", "server_type"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_says_what_to_do_and_has_a_runbook(alert):
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"] and alert["annotations"]["description"]
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert (page, anchor) == ("docs/METRICS.md", alert["alert"].lower())
    assert f"\n### {alert['alert']}\n" in PAGE.read_text()


def test_recorded_names_are_used():
    used = {name for expression in EXPRESSIONS for name, _ in selectors(expression)}
    # for people who look back further than a dashboard should compute
    assert RECORDED - used <= {
        "job_server_type:drum_prediction_duration_seconds:p50_5m",
        "job_server_type:drum_prediction_duration_seconds:p95_5m",
    }
