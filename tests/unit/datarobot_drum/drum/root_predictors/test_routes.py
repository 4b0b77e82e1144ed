"""The route table agrees with itself and with the server."""

from __future__ import annotations

from collections import Counter

import pytest

from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.routes import ROUTES, Kind, Route

BY_NAME = {route.name: route for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_route_has_an_operation_and_words(route: Route) -> None:
    assert callable(getattr(PredictionServer, route.operation))
    assert route.doc.endswith((".", "?"))
    assert route.methods


def test_routes_never_claim_a_path_twice() -> None:
    counts = Counter(path for route in ROUTES for path in route.all_paths)
    assert set(counts.values()) == {1}
    assert len(BY_NAME) == len(ROUTES)


def test_route_answers_each_path_with_and_without_its_last_slash() -> None:
    assert BY_NAME["predict"].all_paths == (
        "/predict/",
        "/predict",
        "/predictions/",
        "/predictions",
        "/invocations",
        "/invocations/",
    )
    assert BY_NAME["ping"].all_paths == ("/", "/ping/", "/ping")
    assert BY_NAME["forward_request"].all_paths == ("/directAccess/{subpath}", "/nim/{subpath}")


def test_route_allows_head_with_get_and_options_always() -> None:
    assert BY_NAME["ping"].allowed == ("GET", "HEAD", "OPTIONS")
    assert BY_NAME["predict"].allowed == ("POST", "OPTIONS")
    assert BY_NAME["forward_request"].allowed == ("GET", "POST", "PUT", "HEAD", "OPTIONS")


def test_routes_that_take_data_run_on_a_prediction_thread() -> None:
    assert {route.name for route in ROUTES if route.kind is Kind.MODEL} == {
        "predict",
        "transform",
        "predict_unstructured",
        "chat",
        "get_supported_llm_models",
    }
