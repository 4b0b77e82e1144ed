"""`drum score`: predict the rows of a file in one run."""

from __future__ import annotations

import logging
import sys
import time
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, BinaryIO

from datarobot_drum.drum.cli.interrupts import sigterm_as_interrupt
from datarobot_drum.drum.cli.model_spec import load_parameters, model_spec
from datarobot_drum.drum.cli.output import check_output, stdout_for_result
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.platform_services.reporting import NO_REPORTS, Reports

if TYPE_CHECKING:
    from datarobot_drum.drum.predictors import Model
    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.score")


def run(args: Namespace) -> int:
    """Score the input and write the result; the exit code is always 0, errors are raised."""
    started = time.perf_counter()
    if args.verbose:
        sys.stdout.write("Detected score mode\n")
    logger.info(">>> Start drum in the score mode")
    if args.output is not None:
        check_output(args.output)
    with sigterm_as_interrupt(), _stdout(args) as stdout:
        load_parameters(args)
        model, settings, reports = _load(args)
        loaded = time.perf_counter()
        try:
            _score(model, args, settings, stdout, reports)
        finally:
            reports.stop()
            model.terminate()
    ended = time.perf_counter()
    if args.show_perf:
        _report("Full time", ended - started)
        _report("Init time (incl model loading)", loaded - started)
        _report("Run time (incl reading CSV)", ended - loaded)
    logger.info("<<< Finish drum in the score mode")
    return 0


def _stdout(args: Namespace) -> AbstractContextManager[BinaryIO | None]:
    """Where the result goes, or None: then stdout stays what it is for the model code."""
    return stdout_for_result() if args.output is None else nullcontext()


def _load(args: Namespace) -> tuple[Model, Settings, Reports]:
    from datarobot_drum.drum.predictors import load_model
    from datarobot_drum.drum.settings import Settings

    settings, spec = Settings.load(), model_spec(args)
    model = load_model(spec, settings)
    if spec.reports is None:
        return model, settings, NO_REPORTS
    from datarobot_drum.drum.platform_services.mlops import start_reports

    return model, settings, start_reports(spec, settings, model.rules)


def _score(
    model: Model, args: Namespace, settings: Settings, stdout: BinaryIO | None, reports: Reports
) -> None:
    if model.target.type is TargetType.UNSTRUCTURED:
        from datarobot_drum.drum.cli.score_unstructured import score_unstructured

        score_unstructured(model, args, stdout, reports.hook_keywords)
    else:
        from datarobot_drum.drum.cli.score_table import score_table

        score_table(model, args, settings, stdout, reports)


def _report(title: str, seconds: float) -> None:
    shown = f"{seconds:.2f}"
    sys.stdout.write(f"{title}:\n\tsec: min: {shown}; avg: {shown}; max: {shown}\n")
