"""Commands whose options and help are there, and whose work comes in a later release."""

from __future__ import annotations

from argparse import Namespace

from datarobot_drum.drum.errors import DrumError


def run(args: Namespace) -> int:
    """Say that this version does not have the command."""
    raise DrumError(f"`drum {args.command}` is not available in this version")
