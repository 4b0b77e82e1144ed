"""All tables."""

from __future__ import annotations

from tests.contract.cases import (
    async_hooks,
    chats,
    class_tasks,
    error_server,
    extensions,
    headers,
    inputs,
    labels,
    platform_format,
    predictions,
    prefixes,
    routes,
    status,
    status_page,
    transforms,
    unstructured,
    user_errors,
)

#: cases of model routes, whose answers must be equal on every front
ANSWERS = (
    *inputs.CASES,
    *predictions.CASES,
    *labels.CASES,
    *platform_format.CASES,
    *unstructured.CASES,
    *transforms.CASES,
    *chats.CASES,
    *async_hooks.CASES,
    *class_tasks.CASES,
    *user_errors.CASES,
    *error_server.CASES,
)
CASES = (
    *routes.CASES,
    *status.CASES,
    *status_page.CASES,
    *headers.CASES,
    *prefixes.CASES,
    *extensions.CASES,
    *ANSWERS,
)
