"""`drum server`: hand the command line to the chosen server."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from datarobot_drum.drum.cli.model_spec import load_parameters, model_spec

if TYPE_CHECKING:
    from datarobot_drum.drum.settings import ServeSpec


logger = logging.getLogger("drum")

START = ">>> Start drum in the server mode"


def run(args: Namespace) -> int:
    """Serve until the process is told to stop; the exit code of the server."""
    if args.verbose:
        sys.stdout.write("Detected REST server mode - this is an advanced option\n")
        sys.stdout.flush()
    load_parameters(args)

    from datarobot_drum.drum.observability.logs import setup_logging
    from datarobot_drum.drum.server import run_server
    from datarobot_drum.drum.settings import Settings, wants_json_logs

    # the parameters of a file are known now
    setup_logging(args.logging_level, as_json=wants_json_logs())
    logger.info(START)
    settings = Settings.load(server_type=args.server_type, workers=args.max_workers or None)
    return run_server(serve_spec(args), settings)


def serve_spec(args: Namespace) -> ServeSpec:
    """What the command line asks a server for."""
    from datarobot_drum.drum.settings import ServeSpec

    host, port = args.address
    return ServeSpec(
        model=model_spec(args),
        host=host,
        port=port,
        with_error_server=args.with_error_server,
        show_perf=args.show_perf,
        show_stacktrace=args.show_stacktrace,
        verbose=args.verbose,
        logging_level=args.logging_level,
        max_workers=args.max_workers or None,
    )
