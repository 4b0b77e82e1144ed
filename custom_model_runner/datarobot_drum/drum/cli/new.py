"""`drum new`: create a model folder, or the folder of an image that serves model folders."""

from __future__ import annotations

import re
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from datarobot_drum import __version__
from datarobot_drum.drum.errors import DrumError

DISTRIBUTION = "opendrum"
LANGUAGES = {"python": ("python", "custom.py"), "r": ("r", "custom.R")}
ALL_HOOKS = "all_hooks"


@dataclass(frozen=True)
class Framework:
    """What models of a framework or language need: an extra of this distribution, Debian packages.

    `note` is a line for whoever builds the image.
    """

    extra: str | None = None
    packages: tuple[str, ...] = ()
    note: str | None = None


_CPU_NOTE = (
    "the plain index has PyTorch with CUDA, which is gigabytes; for a CPU alone, let pip "
    "(--extra-index-url) look at the index of CPU builds that PyTorch's installation page names"
)
#: What runs Java models is compiled when it is loaded; pypmml brings its classes.
_JDK, _JRE = "default-jdk-headless", "default-jre-headless"

FRAMEWORKS: Mapping[str, Framework] = MappingProxyType(
    {
        "catboost": Framework("catboost"),
        "h2o": Framework("h2o", (_JDK,)),
        "java": Framework(packages=(_JDK,)),
        "keras": Framework("keras"),
        # its wheels use the OpenMP of the system
        "lightgbm": Framework("lightgbm", ("libgomp1",)),
        "onnx": Framework("onnx"),
        "pmml": Framework("pmml", (_JRE,)),
        "r": Framework(packages=("r-base-core", "r-recommended")),
        "scikit-learn": Framework(),
        "skops": Framework("skops"),
        "torch": Framework("torch", note=_CPU_NOTE),
        "xgboost": Framework("xgboost"),
    }
)
DEFAULT_FRAMEWORK = "scikit-learn"


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

    name = args.framework or DEFAULT_FRAMEWORK
    if name not in FRAMEWORKS:
        raise DrumError(f"unknown framework {name!r}; use one of {', '.join(FRAMEWORKS)}")
    framework = FRAMEWORKS[name]
    extra = "" if framework.extra is None else f"[{framework.extra}]"
    values = {
        **_values(args),
        "requirement": f"{DISTRIBUTION}{extra}",
        "framework": name,
        "system_packages": framework.packages,
        "note": framework.note,
    }
    create(args.code_dir, [("env",)], values)


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
