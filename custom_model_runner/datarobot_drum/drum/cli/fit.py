"""`drum fit`: train a model folder on a file and check that the result can predict."""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from datarobot_drum.drum.cli.interrupts import sigterm_as_interrupt
from datarobot_drum.drum.cli.model_spec import model_spec
from datarobot_drum.drum.cli.output import stdout_for_result

if TYPE_CHECKING:
    from datarobot_drum.drum.training import FitJob

logger = logging.getLogger("drum.fit")


def run(args: Namespace) -> int:
    """Train; the exit code is always 0, errors are raised.

    Stdout gets the lines that scripts read, and nothing that model code prints.
    """
    from datarobot_drum.drum.model_folder import apply_default_parameters
    from datarobot_drum.drum.settings import Settings
    from datarobot_drum.drum.training import train

    # importing custom.py would write bytecode into the model folder
    sys.dont_write_bytecode = True
    if args.verbose:
        sys.stdout.write("Detected fit mode\n")
    logger.info(">>> Start drum in the fit mode")
    with sigterm_as_interrupt(), stdout_for_result() as stdout:

        def tell(line: str) -> None:
            stdout.write(f"{line}\n".encode())
            stdout.flush()

        apply_default_parameters(args.code_dir, os.environ)
        train(fit_job(args), Settings.load(), tell)
    logger.info("<<< Finish drum in the fit mode")
    return 0


def fit_job(args: Namespace) -> FitJob:
    """What the command line asks for."""
    from datarobot_drum.drum.training import FitJob

    return FitJob(
        model=model_spec(args),
        input=args.input,
        output=args.output,
        target=args.target,
        target_csv=args.target_csv,
        row_weights=args.row_weights,
        row_weights_csv=args.row_weights_csv,
        sparse_column_file=args.sparse_column_file,
        parameter_file=args.parameter_file,
        num_rows=args.num_rows,
        skip_predict=args.skip_predict,
        strict_schema=not args.disable_strict_validation,
        writes_runtime_data=args.enable_fit_metadata,
        strict_exit=args.strict_exit,
        verbose=args.verbose,
        logging_level=args.logging_level,
    )
