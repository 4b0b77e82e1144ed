"""Load on a server for `drum perf-test`: cases, clients, the server process, and reports."""

from __future__ import annotations
