"""The hook table agrees with itself."""

from __future__ import annotations

import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.hooks.spec import HOOKS, Hook


def names(target: TargetType) -> set[str]:
    return {hook.name for hook in HOOKS if target in hook.targets}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_hook_is_declared_in_full(hook: Hook) -> None:
    assert hook.doc.endswith(".")
    assert 0 <= hook.optional <= len(hook.positional)
    assert not set(hook.positional) & set(hook.extras)


def test_hooks_are_declared_once() -> None:
    assert len({hook.name for hook in HOOKS}) == len(HOOKS)


def test_hooks_of_unstructured_models_are_three() -> None:
    assert names(TargetType.UNSTRUCTURED) == {"init", "load_model", "score_unstructured"}


def test_hooks_of_tables_are_the_documented_ones() -> None:
    documented = {
        "init",
        "read_input_data",
        "load_model",
        "transform",
        "score",
        "post_process",
        "fit",
        "chat",
        "get_supported_llm_models",
    }
    assert names(TargetType.REGRESSION) == documented
    assert names(TargetType.TEXT_GENERATION) == documented | {"score_unstructured"}
