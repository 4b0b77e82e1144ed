"""`drum new`: create a model folder, or the folder of an image that serves model folders."""

from __future__ import annotations

import re
import shlex
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from datarobot_drum import __version__
from datarobot_drum.drum.errors import DrumError

if TYPE_CHECKING:
    from collections.abc import Mapping

DISTRIBUTION = "opendrum"
LANGUAGES = {"python": ("python", "custom.py"), "r": ("r", "custom.R")}
ALL_HOOKS = "all_hooks"
#: Extras that are no framework.
NO_FRAMEWORKS = frozenset({"dev", "report"})

#: What a framework needs from the system: packages of Debian.
SYSTEM_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "h2o": ("default-jre-headless",),
    "java": ("default-jre-headless",),
    "pmml": ("default-jre-headless",),
    "r": ("r-base-dev", "r-cran-caret", "r-cran-matrix", "r-cran-rjson", "r-cran-stringi"),
}


def run(args: Namespace) -> int:
    """Create the folder; the exit code is 0, what prevents it is raised."""
    if args.kind == "model":
        _create_model(args)
    else:
        _create_environment(args)
    if args.verbose:
        sys.stdout.write(f"created {args.code_dir}\n")
    return 0


def _create_model(args: Namespace) -> None:
    from datarobot_drum.drum.cli.templates.folder import create

    if args.language not in LANGUAGES:
        raise DrumError(
            f"there is no template in language {args.language!r}; use one of {', '.join(LANGUAGES)}"
        )
    language, source = LANGUAGES[args.language]
    values = {**_values(args), "source": source, "language": language}
    if args.target_type is None:
        create(args.code_dir, [(language, ALL_HOOKS)], values)
        return
    name = _template(language, args.target_type)
    is_unstructured = args.target_type == "unstructured"
    values |= {
        "target_type": args.target_type,
        "sample": "sample.txt" if is_unstructured else "sample.csv",
    }
    create(args.code_dir, [("shared",), ("shared", args.target_type), (language, name)], values)


def _template(language: str, target_type: str) -> str:
    from datarobot_drum.drum.cli.templates.folder import template_names

    names = [name for name in template_names(language) if name != ALL_HOOKS]
    if target_type not in names:
        raise DrumError(
            f"there is no {language} template for target type {target_type!r}; use one of "
            f"{', '.join(names)}, or leave out --target-type"
        )
    return target_type


def _create_environment(args: Namespace) -> None:
    from datarobot_drum.drum.cli.templates.folder import create

    framework = args.framework
    known = frameworks()
    if framework is not None and framework not in known:
        raise DrumError(f"unknown framework {framework!r}; use one of {', '.join(known)}")
    values = {
        **_values(args),
        "requirement": DISTRIBUTION if framework is None else f"{DISTRIBUTION}[{framework}]",
        "framework": framework or "scikit-learn",
        "system_packages": SYSTEM_PACKAGES.get(framework or "", ()),
    }
    create(args.code_dir, [("env",)], values)


def frameworks() -> list[str]:
    """The frameworks that this distribution has an extra for."""
    from importlib.metadata import metadata

    extras = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    return sorted({extra.lower() for extra in extras} - NO_FRAMEWORKS)


def _values(args: Namespace) -> dict[str, object]:
    """What every template may tell."""
    name = Path(args.code_dir).name
    return {
        "name": _harmless(name),
        "tag": re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model",
        "command": _harmless(shlex.join(["drum", *args.command_line])),
        "date": time.strftime("%Y-%m-%d"),
        "version": __version__,
    }


def _harmless(text: str) -> str:
    """Nothing that could end a comment or a string of the files it is written to."""
    return "".join(c if c.isprintable() and c not in '"\\' else "?" for c in text)
