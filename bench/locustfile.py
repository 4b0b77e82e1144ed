"""What a user of locust does: predictions of several sizes and forms, and some probes.

`load_scenarios.py` starts locust with it. With `RAMP_STEP` in the environment, so many users are
added every `RAMP_SECONDS`, until more than 1 % of a step's requests fail. At the end the figures
are written to the file `RESULT`.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, between, events, task

BODIES = Path(os.environ["BODIES"])
CSV = {"Content-Type": "text/csv"}
ONE, HUNDRED = (BODIES / f"rows_{rows}.csv" for rows in (1, 100))
ERROR_SHARE = 0.01
STEP, SECONDS = int(os.environ.get("RAMP_STEP", "0")), float(os.environ.get("RAMP_SECONDS", "5"))
MOST_USERS = int(os.environ.get("RAMP_MOST", "2000"))
steps: list[dict[str, Any]] = []


class Caller(FastHttpUser):
    """Asks for predictions, with a short pause between two requests."""

    wait_time = between(0.01, 0.05)
    one, hundred = ONE.read_bytes(), HUNDRED.read_bytes()

    @task(10)
    def one_row(self) -> None:
        """One row, raw."""
        self.client.post("/predict/", data=self.one, headers=CSV, name="1 row")

    @task(3)
    def hundred_rows(self) -> None:
        """A hundred rows, raw."""
        self.client.post("/predict/", data=self.hundred, headers=CSV, name="100 rows")

    @task(1)
    def probe(self) -> None:
        """What Kubernetes asks."""
        self.client.get("/readyz", name="probe")


def reason(error: object) -> str:
    """What went wrong, without the address."""
    return re.sub(r"URL \S+: ", "", str(error))[:200]


@events.quitting.add_listener
def write_result(environment: Any, **_: Any) -> None:
    """Figures of the whole run, as JSON."""
    total = environment.stats.total
    result = {
        "requests": total.num_requests,
        "errors": total.num_failures,
        "rate": total.total_rps,
        "p50": total.get_response_time_percentile(0.5),
        "p95": total.get_response_time_percentile(0.95),
        "p99": total.get_response_time_percentile(0.99),
        "reasons": sorted({reason(error.error) for error in environment.stats.errors.values()}),
        "steps": steps,
    }
    Path(os.environ["RESULT"]).write_text(json.dumps(result))


if STEP:

    class Ramp(LoadTestShape):
        """More users step by step, until too many requests fail."""

        def __init__(self) -> None:
            super().__init__()
            self._users = STEP
            self._begin = time.monotonic()
            self._before = (0, 0)

        def tick(self) -> tuple[int, float] | None:
            """How many users there should be now; None ends the run."""
            if time.monotonic() - self._begin >= SECONDS:
                if self._step_failed() or self._users + STEP > MOST_USERS:
                    return None
                self._users += STEP
                self._begin = time.monotonic()
            return self._users, float(STEP)

        def _step_failed(self) -> bool:
            """Close a step, and say whether it had too many errors."""
            total = self.runner.stats.total
            now = (total.num_requests, total.num_failures)
            requests, errors = now[0] - self._before[0], now[1] - self._before[1]
            self._before = now
            rate = requests / (time.monotonic() - self._begin)
            p99 = total.get_current_response_time_percentile(0.99)
            step = {"users": self._users, "rate": rate, "requests": requests, "errors": errors}
            steps.append({**step, "p99": p99})
            return errors > ERROR_SHARE * max(1, requests)
