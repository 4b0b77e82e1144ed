"""Model folders made of a few files."""

from __future__ import annotations

import pytest

REGRESSION = "name: x\ntype: inference\ntargetType: regression\n"


@pytest.fixture
def folder(tmp_path):
    """Make a model folder of empty files and of files with a text."""

    def make(*names, **texts):
        for name, text in {**dict.fromkeys(names, ""), **texts}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def metadata_folder(folder):
    """Make a model folder with that metadata file; it follows a valid head."""

    def make(text, head=REGRESSION):
        return folder(**{"model-metadata.yaml": head + text})

    return make
