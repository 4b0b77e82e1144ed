"""Starts Java for a Java artifact: which one it is, what its class path holds, what errors mean."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from datarobot_drum.drum.errors import (
    DrumError,
    HookError,
    InvalidInput,
    InvalidOutput,
    StartupError,
)
from datarobot_drum.drum.model_folder import artifacts
from datarobot_drum.drum.predictors.child import ChildDied, ChildError, ChildProcess
from datarobot_drum.drum.predictors.frames import Frame

SUFFIXES = (".jar", ".zip", ".java", ".mojo")

NO_JDK = (
    "Java models need a JDK (java and javac) of version 11 or newer on the PATH: install one, on "
    "Debian with 'apt-get install openjdk-17-jdk-headless'"
)
NO_H2O = (
    "H2O models need h2o.jar: pip install 'opendrum[h2o]', or give the path of h2o.jar or "
    "h2o-genmodel.jar in DRUM_JAVA_CUSTOM_CLASS_PATH"
)
NO_DRIVERLESS = (
    "Driverless AI models need its runtime: give the path of mojo2-runtime.jar in "
    "DRUM_JAVA_CUSTOM_CLASS_PATH, and a licence in DRIVERLESS_AI_LICENSE_FILE, "
    "DRIVERLESS_AI_LICENSE_KEY or license.sig in the model folder"
)


@dataclass(frozen=True)
class JavaSettings:
    """What an operator says about Java, from the variables `DRUM_JAVA_*`.

    `class_path` and `shared_jars` hold paths separated as on a class path; a folder stands for
    the classes below it and for the jars in it.
    """

    xmx: str | None = None
    predictor_class: str | None = None
    class_path: str | None = None
    shared_jars: str | None = None


def start_java(
    path: str | Path, params: Mapping[str, object], settings: JavaSettings
) -> tuple[ChildProcess, Frame]:
    """A running process that has loaded the model in `path`, a folder or an artifact, and its
    answer to that.

    StartupError says what is wrong with the artifact or missing on this machine.
    """
    artifact = find_artifact(path, settings)
    kind = "class" if artifact is None else artifact.suffix.lower().removeprefix(".")
    header = {
        "op": "load",
        "kind": kind,
        "path": None if artifact is None else str(artifact),
        "class": settings.predictor_class,
        "class_path": _class_path(kind, Path(path), artifact, settings),
        "params": dict(params),
    }
    command = _command(kind, Path(path), settings)
    process = ChildProcess(command, Frame(header), name="Java", advice=_advice)
    try:
        return process, process.start()
    except ChildError as error:
        if "license" in str(error).lower():
            raise StartupError(f"cannot load the Java model: {error}. {NO_DRIVERLESS}") from error
        raise StartupError(f"cannot load the Java model: {error}") from error
    except ChildDied as error:
        raise StartupError(f"cannot load the Java model: {error.with_last_lines()}") from error


def find_artifact(path: str | Path, settings: JavaSettings) -> Path | None:
    """The artifact that decides: a `.mojo` if there is one, else the first by name.

    None where there is none and a class of the user's does all.
    """
    if Path(path).is_file():
        return Path(path)
    found = artifacts(path, SUFFIXES)
    pipelines = [artifact for artifact in found if artifact.suffix.lower() == ".mojo"]
    if pipelines or found:
        return (pipelines or found)[0]
    if settings.predictor_class is not None:
        return None
    raise StartupError(
        f"could not find a Java artifact in {path}; put a file that ends in one of "
        f"{', '.join(SUFFIXES)} at the top of the folder"
    )


def reported(error: ChildError) -> DrumError:
    """The error of a request as this program tells it."""
    if error.kind == "input":
        return InvalidInput(str(error))
    if error.kind == "output":
        return InvalidOutput(str(error))
    return HookError(f"Failure when making predictions. Exception: {error}")


def _advice(last_lines: Sequence[str]) -> str | None:
    """What to do about an end that Java has announced, see `_command`."""
    if not any("java.lang.OutOfMemoryError" in line for line in last_lines):
        return None
    return (
        "it has run out of memory: send fewer rows at a time, or give it more memory in "
        "DRUM_JAVA_XMX, such as 4g"
    )


def _command(kind: str, path: Path, settings: JavaSettings) -> list[str]:
    java = shutil.which("java")
    if java is None or not _has_compiler(java):
        raise StartupError(NO_JDK)
    memory = [f"-Xmx{settings.xmx.removeprefix('-Xmx')}"] if settings.xmx else []
    licence = (path if path.is_dir() else path.parent) / "license.sig"
    options = (
        [f"-Dai.h2o.mojos.runtime.license.file={licence}"]
        if kind == "mojo" and licence.is_file()
        else []
    )
    # after an OutOfMemoryError nothing in a JVM can be relied on; a new one is started instead
    options += ["-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
    source = str(files("datarobot_drum.drum.predictors") / "JavaWorker.java")
    return [java, *memory, *options, source]


def _has_compiler(java: str) -> bool:
    return shutil.which("javac") is not None or Path(java).resolve().with_name("javac").is_file()


def _class_path(kind: str, path: Path, artifact: Path | None, settings: JavaSettings) -> list[str]:
    """What Java searches, in this order: the artifact, other jars of the folder, what was given."""
    beside = artifacts(path, (".jar",)) if path.is_dir() else []
    jars = [str(jar) for jar in beside if jar != artifact]
    own = [str(artifact)] if kind == "jar" else []
    given = [*_entries(settings.class_path), *_entries(settings.shared_jars)]
    paths = [*own, *jars, *given]
    if settings.predictor_class is not None or kind in ("jar", "class"):
        return paths or [str(path)]
    if kind == "mojo":
        if not given and not jars:
            raise StartupError(NO_DRIVERLESS)
        return paths
    bundled = _h2o_jar()
    if bundled is None and not paths:
        raise StartupError(NO_H2O)
    return paths if bundled is None else [*paths, bundled]


def _entries(text: str | None) -> list[str]:
    """The entries of a class path; a folder also stands for the jars in it."""
    entries: list[str] = []
    for entry in filter(None, (text or "").split(os.pathsep)):
        entries.append(entry)
        if os.path.isdir(entry):
            entries += [str(jar) for jar in artifacts(entry, (".jar",))]
    return entries


def _h2o_jar() -> str | None:
    """The jar inside the h2o package, which is not imported: it would look for a cluster."""
    spec = importlib.util.find_spec("h2o")
    places: Any = spec.submodule_search_locations if spec is not None else None
    for place in places or ():
        jar = Path(place, "backend", "bin", "h2o.jar")
        if jar.is_file():
            return str(jar)
    return None
