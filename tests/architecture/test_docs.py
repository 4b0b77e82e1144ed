"""The pages of the repository agree with the code and with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder in (
        "",
        "docs",
        "docs/reference",
        "deploy/*",
        "model_templates/*",
        "custom_model_runner",
    )
    for path in ROOT.glob(f"{folder}/*.md" if folder else "*.md")
)


def test_reference_pages_are_those_that_the_tables_make():
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    files = [link for link in links if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in files if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("command", ["make serve", "make test"])
def test_readme_shows_the_command_by_line_25_in_a_code_block(command):
    top = "\n".join((ROOT / "README.md").read_text().splitlines()[:25])
    blocks = re.findall(r"```sh\n(.*?)```", top, re.DOTALL)
    assert [block for block in blocks if block.strip() == command] != []


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_readme_leads_to_every_page(page):
    assert f"]({page})" in (ROOT / "README.md").read_text()
