"""Requests made from our own OpenAPI document: no undeclared 5xx, one verdict on all server types.

`scripts/fuzz` sends more of them (`FUZZ_REQUESTS` to each server type, from `FUZZ_SEED` on) and
notes in `FUZZ_REPORT` how many there were.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from tests.conftest import RunningServer, ServerContext

from datarobot_drum.drum.root_predictors.openapi import ANYTHING, document
from datarobot_drum.drum.root_predictors.routes import ROUTES, Kind

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "150"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
REPORT = os.environ.get("FUZZ_REPORT")
TYPES = ("flask", "gunicorn", "fastapi")
CHECKS = [content_type_conformance, response_schema_conformance]
#: Ids that are new in each answer: of requests, chats and the boundaries of forms.
IDS = re.compile(rb"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")

#: Models that take whatever comes, so that an error is never theirs.
CHAT = """
def chat(params, model, **kwargs):
    return {"object": "chat.completion", "choices": [{"message": {"content": "hello"}}]}
"""
SCORE = """
def score(data, model, **kwargs):
    import pandas as pd
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""
MODELS = {
    "regression": f"def load_model(code_dir): return 'model'\n{SCORE}{CHAT}",
    "transform": (
        "def load_model(code_dir): return 'model'\ndef transform(data, model): return data\n"
    ),
    "unstructured": (
        "def load_model(code_dir): return 'model'\n"
        "def score_unstructured(model, data, **kwargs): return str(type(data))\n"
    ),
}
SAME_BODY = {path for route in ROUTES if route.kind is Kind.MODEL for path in route.paths}
DOCUMENT = document(ROUTES, "")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    one.ok().label: one.ok() for one in SCHEMA.get_all_operations() if isinstance(one, Ok)
}


#: Examples of each operation, valid and invalid ones, with one seed.
EXAMPLES = 20 if REPORT else 5


@dataclass
class Sent:
    """How many requests each server has got from one seed, and the statuses of their answers."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


@pytest.fixture(scope="module", params=MODELS if REPORT else ["regression"])
def servers(
    request: pytest.FixtureRequest,
    running_server: ServerContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, RunningServer]]:
    """A server of each type for one kind of model."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "custom.py").write_text(MODELS[request.param])
    options = ("--target-type", request.param)
    with ExitStack() as stack:
        found = {
            kind: stack.enter_context(
                running_server(
                    folder,
                    *options,
                    server_type=kind,
                    env={"DRUM_ENABLE_UI": "true", "DRUM_ACCESS_LOG": "false"},
                    wait=False,
                )
            )
            for kind in TYPES
        }
        for server in found.values():
            server.wait_until_ready()
        yield found


def verdict(case: Any, response: Any, path: str) -> tuple[Any, ...]:
    """What a client makes of an answer: status, type, what is against the document, and the body.

    The body counts where it is the model's, and so equal; figures differ from server to server.
    """
    kind = response.headers.get("Content-Type", [""])[0].partition(";")[0]
    body = IDS.sub(b"id", response.content) if path in SAME_BODY else b""
    return response.status_code, kind, faults(case, response), body


def faults(case: Any, response: Any) -> tuple[str, ...]:
    """The names of what in the answer is against our own document."""
    declared = case.operation.definition.raw["responses"]
    status = str(response.status_code)
    found = []
    if response.status_code >= 500 and status not in declared:
        found.append("a 5xx that is not declared")
    if b"internal error" in response.content or response.status_code == 500:
        found.append("an error that is no model's")
    if status in declared:
        try:
            case.validate_response(response, checks=CHECKS)
        except schemathesis.errors.FailureGroup as group:
            found += [type(failure).__name__ for failure in group.exceptions]
    return tuple(found)


def send_all(
    servers: dict[str, RunningServer], label: str, mode: Any, number: int, sent: Sent
) -> None:
    """Send examples of one operation to every server and compare what they answer."""
    sessions = {kind: requests.Session() for kind in servers}
    for session in sessions.values():
        session.trust_env = False

    @seed(number)
    @settings(
        max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(OPERATIONS[label].as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        found = {}
        for kind, server in servers.items():
            response = case.call(base_url=server.url, session=sessions[kind], timeout=60)
            found[kind] = verdict(case, response, case.path)
        sent.requests += 1
        sent.statuses[found["fastapi"][0]] += 1
        assert found == dict.fromkeys(servers, found["flask"]), case.as_curl_command()
        assert found["flask"][2] == (), case.as_curl_command()

    check()
    for session in sessions.values():
        session.close()


def test_generated_requests_get_one_verdict_and_no_undeclared_error(servers, request):
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    plan = [(label, mode) for label in OPERATIONS for mode in modes if is_possible(label, mode)]
    wanted = REQUESTS // len(MODELS) + 1 if REPORT else REQUESTS
    statuses: Counter[int] = Counter()
    for number in itertools.count(SEED):
        sent = Sent()
        for label, mode in plan:
            send_all(servers, label, mode, number, sent)
        statuses += sent.statuses
        note(request.node.callspec.params["servers"], number, sent)
        if statuses.total() >= wanted:
            break
    assert {200, 422} <= statuses.keys()


def is_possible(label: str, mode: Any) -> bool:
    """An operation without a body, or with any, has nothing that could be against its schema."""
    method, _, path = label.partition(" ")
    body = DOCUMENT["paths"][path][method.lower()].get("requestBody", {"content": ANYTHING})
    return mode is schemathesis.GenerationMode.POSITIVE or body["content"] != ANYTHING


def note(model: str, number: int, sent: Sent) -> None:
    """Write down how many requests came from one seed."""
    if REPORT is None:
        return
    statuses = {str(status): count for status, count in sorted(sent.statuses.items())}
    facts = {"model": model, "seed": number, "requests": sent.requests, "statuses": statuses}
    with Path(REPORT).open("a") as report:
        report.write(json.dumps(facts) + "\n")
