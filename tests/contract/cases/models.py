"""The served models of the tables: folders below `tests/fixtures/models` and their options."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.contract.serving import Served

LINEAR = Served("linear")
REGRESSION = Served("regression")
BINARY = Served("binary", "binary", ("spam", "ham"))
MULTICLASS = Served("multiclass", "multiclass", ("c d", "e", "7"))
MULTILABEL = Served("multilabel", "multilabel", ("x", "y", "z"))
ANOMALY = Served("anomaly", "anomaly")
GEOPOINT = Served("geopoint", "geopoint")
SEARCH = Served("search", "vectordatabase", environment=(("TARGET_NAME", "document"),))
AGENT = Served("agent", "agenticworkflow", environment=(("TARGET_NAME", "plan"),))
TEXT = Served("text", "textgeneration", environment=(("TARGET_NAME", "reply"),))
TEXT_QUOTED = replace(TEXT, environment=(("TARGET_NAME", '"reply"'),))
TEXT_PLAIN = replace(TEXT, folder="text_plain")
LLM_ID = ("MLOPS_RUNTIME_PARAM_LLM_ID", '{"type":"string","payload":"large"}')
TEXT_TWO_ARGUMENTS = replace(
    TEXT, folder="text_two_arguments", environment=(*TEXT.environment, LLM_ID)
)
TRANSFORM = Served("transform", "transform")
TRANSFORM_CHECKED = Served("transform_checked", "transform")
SPARSE_TRANSFORM = Served("sparse_transform", "transform")
UNSTRUCTURED = Served("unstructured", "unstructured")
READING = Served("reading")
USER_ERRORS = Served("user_errors")
CHAT_ON_REGRESSION = Served("chat_on_regression")
ESTIMATOR = Served("estimator")
ANOMALY_ESTIMATOR = Served("estimator", "anomaly")
BINARY_ESTIMATOR = Served("estimator", "binary", ("spam", "ham"))
LEGACY_ESTIMATOR = replace(BINARY_ESTIMATOR, environment=(("DRUM_LEGACY_LABEL_ORDER", "true"),))
MULTICLASS_ESTIMATOR = Served("estimator", "multiclass", ("a", "b", "c"))
POST_PROCESS = Served("post_process", "binary", ("spam", "ham"))
CLASSIFIER = Served("classifier", "binary", ("1", "0"))
COLUMNS = Served("input_facts", "geopoint")
LENGTH = Served("length")
METADATA = Served("metadata", None)
GATED = Served("gated")
GATED_CHAT = Served("gated", "textgeneration", environment=(("TARGET_NAME", "reply"),))
CLASS_TASK = Served("class_task")
ANOMALY_TASK = Served("class_task", "anomaly")
POINT_TASK = Served("class_task", "geopoint")
BINARY_TASK = Served("class_task", "binary", ("spam", "ham"))
MULTICLASS_TASK = Served("class_task", "multiclass", ("a", "b", "c"))
MULTILABEL_TASK = Served("class_task", "multilabel", ("x", "y", "z"))
TRANSFORM_TASK = Served("class_task", "transform")
AWAITING = Served("awaiting")
AWAITING_UNSTRUCTURED = Served("awaiting", "unstructured")
AWAITING_CHAT = Served("awaiting", "textgeneration", environment=(("TARGET_NAME", "reply"),))
SLOW_LOAD = Served("slow_load", pipes=("go",))


def deployed(served: Served, mapping: list[list[object]] | None = None, **target: object) -> Served:
    """The same model with answers in platform format; the target is called `y`."""
    facts = {"name": "y", "class_mapping": mapping, "prediction_threshold": None, **target}
    return replace(served, deployment=json.dumps({"target": facts}))
