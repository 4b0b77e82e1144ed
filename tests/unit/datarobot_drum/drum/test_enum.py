"""Names shared with model code and operators."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.enum import ServerType, TargetType

KINDS = ("is_classification", "is_text", "is_numeric")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flask", ServerType.FLASK),
        (" Werkzeug ", ServerType.FLASK),
        ("GUNICORN", ServerType.GUNICORN),
        ("fastapi", ServerType.FASTAPI),
        ("Uvicorn\n", ServerType.FASTAPI),
    ],
)
def test_server_type_is_read_in_any_case_and_by_alias(text: str, expected: ServerType) -> None:
    assert ServerType.parse(text) is expected


@pytest.mark.parametrize("text", ["", "nginx", "fast api"])
def test_server_type_that_is_none_lists_the_valid_ones(text: str) -> None:
    with pytest.raises(ValueError, match="use one of flask, gunicorn, fastapi, werkzeug, uvicorn"):
        ServerType.parse(text)


@pytest.mark.parametrize("target", TargetType)
def test_target_type_is_of_one_kind_at_most(target: TargetType) -> None:
    assert sum(getattr(target, kind) for kind in KINDS) <= 1


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("is_classification", {"binary", "multiclass", "multilabel"}),
        ("is_text", {"textgeneration", "vectordatabase", "agenticworkflow"}),
        ("is_numeric", {"regression", "anomaly"}),
    ],
)
def test_target_types_are_grouped_by_their_answer(kind: str, names: set[str]) -> None:
    assert {target.value for target in TargetType if getattr(target, kind)} == names


def test_all_target_types_but_two_are_tables() -> None:
    others = {target.value for target in TargetType if not target.is_structured}
    assert others == {"unstructured", "transform"}
