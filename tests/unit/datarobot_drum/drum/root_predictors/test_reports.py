"""What the core tells its reports, and what it shows of them."""

from __future__ import annotations

import json
from typing import Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.payloads import OutputRules
from datarobot_drum.drum.platform_services.reporting import (
    EmbeddedReports,
    Reporter,
    ReportQueue,
    StructuredReports,
)

SCORE = """
import pandas as pd

def score(data, model):
    return pd.DataFrame({"Predictions": data["a"] * 2.0})

def chat(params, model):
    if params.get("stream"):
        return iter([{"object": "chat.completion.chunk", "choices": []}])
    return {"object": "chat.completion", "choices": [{"message": {"content": "ho"}}]}
"""


class Receiver(Reporter):
    def __init__(self) -> None:
        self.counts: list[int] = []
        self.data: list[Any] = []

    def report_deployment_stats(self, num_predictions, execution_time, *, failed=False):
        self.counts.append(num_predictions)

    def report_predictions_data(
        self, features_df=None, predictions=None, association_ids=None, class_names=None
    ):
        self.data.append(predictions)


def queue(receiver: Receiver) -> ReportQueue:
    return ReportQueue(receiver, 10, 1 << 20, 20)


def test_predictions_and_chats_are_reported_and_counted(serve, ask):
    receiver, server = Receiver(), serve(SCORE)
    server.reports = StructuredReports(queue(receiver), OutputRules(TargetType.REGRESSION), "p")
    assert ask(server, "predict", b"a\n1\n", "text/csv").status == 200
    body = b'{"messages": [{"content": "hi"}]}'
    assert ask(server, "chat", body, "application/json").status == 200
    stream = ask(server, "chat", b'{"stream": true}', "application/json").stream
    assert len(list(stream)) == 2
    server.terminate()
    assert (receiver.counts, receiver.data) == ([1, 1, 1], [[2.0], ["ho"], [""]])
    counts = json.loads(ask(server, "stats").body)["server"]["reports"]
    assert counts == {"sent": 3, "dropped": 0, "failed": 0, "waiting": 0}


def test_unstructured_hook_gets_what_it_reports_with(serve, ask):
    hook = "def score_unstructured(model, data, mlops): mlops.report_deployment_stats(5, 1.0)"
    receiver, server = Receiver(), serve(hook, "unstructured")
    server.reports = EmbeddedReports(queue(receiver))
    assert ask(server, "predict_unstructured", b"x", "text/plain").status == 200
    server.terminate()
    assert receiver.counts == [5]


def test_stats_have_no_reports_where_none_are_made(serve, ask):
    assert "reports" not in json.loads(ask(serve(SCORE), "stats").body)["server"]
