"""Which language a model folder is written in, and where its hooks and artifacts are."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from datarobot_drum.drum.enum import CUSTOM_FILE_NAME
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.model_folder.recognise import RECOGNISERS, is_recognised

logger = logging.getLogger("drum.model_folder")

ARTIFACT_SUFFIXES = {
    "python": (".pkl", ".pth", ".h5", ".joblib", ".onnx"),
    "r": (".rds",),
    "java": (".jar", ".zip", ".java", ".mojo"),
}
#: Artifacts that the reference does not know: they tell the language where none of the above does.
FURTHER_SUFFIXES = {
    "python": (".keras", ".ubj", ".cbm", ".skops", ".safetensors", ".pmml"),
}
_R_FILES = (f"{CUSTOM_FILE_NAME}.R", f"{CUSTOM_FILE_NAME}.r")
_LISTED_FILES = 100


def detect_language(code_dir: str | Path, language: str | None = None) -> str:
    """The language asked for, else the one that the hooks or the artifacts are written in.

    Hooks win over artifacts of other languages, with a warning; `custom.py` wins over `custom.R`.
    """
    if language is not None:
        return language
    by_custom = _custom_language(Path(code_dir))
    by_artifacts = _artifact_languages(code_dir)
    if by_custom is not None:
        _warn_about_strays(by_custom, by_artifacts)
        return by_custom
    if len(by_artifacts) == 1:
        return by_artifacts[0]
    raise DrumError(_undetected(Path(code_dir)))


def find_custom_file(code_dir: str | Path) -> Path | None:
    """The only `custom.py` below the folder, or None; more than one is an error."""
    return find_only(code_dir, f"{CUSTOM_FILE_NAME}.py")


def find_only(code_dir: str | Path, name: str) -> Path | None:
    """The only file of that name below the folder, or None; more than one is an error."""
    found = sorted(path for path in files_below(code_dir) if path.name == name)
    if len(found) > 1:
        raise DrumError(f"Found too many custom hook files: {found}")
    return found[0] if found else None


def artifacts(code_dir: str | Path, suffixes: Iterable[str]) -> list[Path]:
    """The files at the top of the folder with one of the suffixes, in any case, sorted."""
    wanted = {suffix.lower() for suffix in suffixes}
    top = (path for path in Path(code_dir).iterdir() if path.suffix.lower() in wanted)
    return sorted(path for path in top if path.is_file())


def files_below(code_dir: str | Path) -> Iterator[Path]:
    """Every file of the folder and its subfolders; hidden folders are left out."""
    for folder, subfolders, names in os.walk(code_dir):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            yield Path(folder, name)


def _custom_language(code_dir: Path) -> str | None:
    _warn_about_case(code_dir)
    has_r = any((code_dir / name).is_file() for name in _R_FILES)
    if find_custom_file(code_dir) is None:
        return "r" if has_r else None
    if has_r:
        logger.warning("the folder has custom.py and custom.R; custom.py is used, remove the other")
    return "python"


def _warn_about_case(code_dir: Path) -> None:
    right = {f"{CUSTOM_FILE_NAME}.py", *_R_FILES}
    for path in code_dir.iterdir():
        if path.name not in right and path.name.lower() in (f"{CUSTOM_FILE_NAME}.py", _R_FILES[1]):
            logger.warning(
                "%s is not used: rename it to %s.py or %s.R", path.name, *[CUSTOM_FILE_NAME] * 2
            )


def _artifact_languages(code_dir: str | Path) -> list[str]:
    """The languages that have artifacts anywhere below the folder.

    Endings that the reference does not know count only where it finds nothing, so that a folder
    that it can run never becomes ambiguous; endings of data files only where both find nothing.
    """
    suffixes = {path.suffix.lower() for path in files_below(code_dir)}
    for table in (ARTIFACT_SUFFIXES, FURTHER_SUFFIXES):
        if found := [name for name, own in table.items() if suffixes.intersection(own)]:
            return found
    is_model = any(map(is_recognised, artifacts(code_dir, RECOGNISERS)))
    return ["python"] if is_model else []


def _warn_about_strays(by_custom: str, by_artifacts: list[str]) -> None:
    strays = [name for name in by_artifacts if name != by_custom]
    if strays:
        logger.warning(
            "the folder has hooks in %s and artifacts of %s; the hooks decide: language is %s",
            by_custom,
            ", ".join(strays),
            by_custom,
        )


def _undetected(code_dir: Path) -> str:
    """The message of a folder without hooks whose artifacts do not decide."""
    python, r, java = (
        [*suffixes, *FURTHER_SUFFIXES.get(language, ())]
        for language, suffixes in ARTIFACT_SUFFIXES.items()
    )
    names = sorted(os.listdir(code_dir))[:_LISTED_FILES]
    return "\n".join(
        [
            "Can not detect language by artifacts and/or custom.py/R files.",
            "Detected: language by artifacts - None; language by custom - None.",
            "Code directory must have one or more model artifacts belonging to the same language:",
            "Python/R/Java, with an extension:",
            f"Python models: {python}",
            f"R models: {r}",
            f"Java models: {java}.",
            "Or one of custom.py/R files.",
            "",
            f"Files(100 first) found in {code_dir}:",
            *names,
            "",
        ]
    )
