"""All tables."""

from __future__ import annotations

from tests.contract.cases import headers, inputs, routes, status

CASES = (*routes.CASES, *status.CASES, *headers.CASES, *inputs.CASES)
