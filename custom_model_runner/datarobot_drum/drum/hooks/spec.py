"""The hooks that a model folder may define, each declared once."""

from __future__ import annotations

from dataclasses import dataclass

from datarobot_drum.drum.enum import TargetType

ALL_TARGETS = frozenset(TargetType)
UNSTRUCTURED = frozenset({TargetType.UNSTRUCTURED})
STRUCTURED = ALL_TARGETS - UNSTRUCTURED


@dataclass(frozen=True)
class Hook:
    """One function that `custom.py` may define.

    `positional` arguments are passed by position, whatever the author calls them; `extras` by
    keyword, those that the function accepts; `optional` is how many of the last positional
    arguments the author may leave out.
    """

    name: str
    positional: tuple[str, ...]
    doc: str
    extras: tuple[str, ...] = ()
    optional: int = 0
    targets: frozenset[TargetType] = STRUCTURED


#: What hooks get where a NIM answers for the model: its address, and a client for it.
INFERENCE_EXTRAS = ("base_url", "openai_client")

INIT = Hook(
    "init", (), "Runs once, directly after `custom.py` is imported.", ("code_dir",), 0, ALL_TARGETS
)
LOAD_MODEL = Hook(
    "load_model", ("code_dir",), "Loads and returns the model; not None.", targets=ALL_TARGETS
)
READ_INPUT_DATA = Hook(
    "read_input_data", ("data",), "Reads the request's bytes; replaces all built-in reading."
)
TRANSFORM = Hook(
    "transform",
    ("data", "model", "y"),
    "Changes the data before `score`; for the target type transform it is the whole task.",
    optional=1,
)
SCORE = Hook(
    "score",
    ("data", "model"),
    "Makes predictions: a DataFrame, one row for each row of data.",
    (
        "positive_class_label",
        "negative_class_label",
        "class_labels",
        "target_type",
        "binary_data",
        "mimetype",
        "charset",
        "sparse_colnames",
        *INFERENCE_EXTRAS,
    ),
)
POST_PROCESS = Hook(
    "post_process", ("predictions", "model"), "Changes predictions that were already checked."
)
SCORE_UNSTRUCTURED = Hook(
    "score_unstructured",
    ("model", "data"),
    "Answers data of any form: returns str, bytes or None, or a pair of that and a dict.",
    ("query", "mimetype", "charset", "headers", "mlops", *INFERENCE_EXTRAS),
    targets=frozenset({TargetType.UNSTRUCTURED, TargetType.TEXT_GENERATION}),
)
CHAT = Hook(
    "chat",
    ("completion_create_params", "model"),
    "Answers an OpenAI chat request: a completion, or an iterable of chunks.",
    ("headers",),
)
LLM_MODELS = Hook(
    "get_supported_llm_models", ("model",), "Lists models for `/models`; text generation only."
)
FIT = Hook(
    "fit",
    (),
    "Trains a model and writes its artifact to `output_dir`.",
    ("X", "y", "output_dir", "class_order", "row_weights", "parameters"),
)

HOOKS = (
    INIT,
    LOAD_MODEL,
    READ_INPUT_DATA,
    TRANSFORM,
    SCORE,
    POST_PROCESS,
    SCORE_UNSTRUCTURED,
    CHAT,
    LLM_MODELS,
    FIT,
)
