"""All tables."""

from __future__ import annotations

from tests.contract.cases import headers, inputs, labels, platform_format, predictions, routes, status

ANSWERS = (*inputs.CASES, *predictions.CASES, *labels.CASES, *platform_format.CASES)
CASES = (*routes.CASES, *status.CASES, *headers.CASES, *ANSWERS)
