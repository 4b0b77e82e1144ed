"""The file of `--lazy-loading-file`: checked, so that a typo is told before a missing extra."""

from __future__ import annotations

from pathlib import Path

from datarobot_drum.drum.errors import DrumError


def check_lazy_loading_file(path: str) -> None:
    """Refuse a file that does not list at least one file and one repository."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DrumError(f"Invalid lazy loading content. {error}") from error
    if not isinstance(content, dict):
        raise DrumError("Invalid lazy loading content. It must hold 'files' and 'repositories'")
    for key in ("files", "repositories"):
        if not isinstance(content.get(key), list) or not content[key]:
            raise DrumError(f"Invalid lazy loading content. {key!r} must list at least one item")
