"""What a model object is, told without importing the framework it may be of."""

from __future__ import annotations

import sys
from typing import Any


def is_instance_of(value: Any, module: str, *names: str) -> bool:
    """Is it an instance of one of these classes? Of a module not in memory there are none."""
    loaded = sys.modules.get(module)
    found = (getattr(loaded, name, None) for name in names)
    return isinstance(value, tuple(kind for kind in found if isinstance(kind, type)))


def last_step(model: Any) -> Any:
    """The estimator at the end of a scikit-learn pipeline; any other object itself."""
    if is_instance_of(model, "sklearn.pipeline", "Pipeline") and model.steps:
        return model.steps[-1][1]
    return model
