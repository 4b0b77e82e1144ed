"""The process beside the command in which the model runs: trials in, verdicts out.

It may crash, hang or run out of memory without harm to the command. Each line of the first pipe
is a trial (the very first is the setup); each line of the second is its verdict.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import sys
import threading
from typing import TextIO

from datarobot_drum.drum.cli.model_checks.trials import Session, run_trial
from datarobot_drum.drum.cli.model_checks.verdict import Setup, Trial, failed
from datarobot_drum.drum.parent_death import end_with_group

#: An empty line: no more trials. The pipe's end without it means that the command is gone.
END = "\n"

ENDED_BY_MODEL = "the model code ended the process with sys.exit({})"


def main() -> int:
    """Answer trials until there are no more."""
    from datarobot_drum.drum.observability.logs import setup_logging
    from datarobot_drum.drum.settings import wants_json_logs

    trials, verdicts = (_own(int(number)) for number in sys.argv[1:3])
    lines = os.fdopen(trials, encoding="utf-8")
    setup = Setup.from_json(lines.readline())
    setup_logging(setup.logging_level, as_json=wants_json_logs())
    with os.fdopen(verdicts, "w", encoding="utf-8") as answers:
        return _serve(Session(setup), _queued(lines), answers)


def _own(descriptor: int) -> int:
    """Keep a pipe from what the model starts: its end must be seen when this process ends."""
    os.set_inheritable(descriptor, False)
    return descriptor


def _queued(lines: TextIO) -> queue.SimpleQueue[str]:
    """Lines, read by a thread, which ends this process group when the command is gone."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
            if line == END:
                return
        end_with_group()

    threading.Thread(target=read, daemon=True, name="trials").start()
    return waiting


def _serve(session: Session, waiting: queue.SimpleQueue[str], answers: TextIO) -> int:
    while (line := waiting.get()) != END:
        try:
            verdict = run_trial(session, Trial.from_json(line))
        except SystemExit as stop:
            # what the model left behind is unknown: the next trial gets a new process
            last = dataclasses.replace(failed(ENDED_BY_MODEL.format(stop.code)), is_last=True)
            _write(answers, last.to_json())
            return 1
        _write(answers, verdict.to_json())
    session.close()
    return 0


def _write(answers: TextIO, line: str) -> None:
    answers.write(f"{line}\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
