"""`drum new`: what it creates runs at once, and a failure leaves nothing behind."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
import time
from importlib.metadata import metadata
from pathlib import Path

import pytest

from datarobot_drum.drum.cli.arguments import TARGET_TYPES
from datarobot_drum.drum.cli.new import FRAMEWORKS, LANGUAGES
from datarobot_drum.drum.cli.templates.folder import template_names
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.hooks.spec import HOOKS

MESSAGE = {"messages": [{"role": "user", "content": "how do I serve it?"}], "model": "m"}


@pytest.fixture(scope="module")
def created(tmp_path_factory, run_drum):
    """`created(target type)`: a new Python folder of that type, made once."""
    made: dict[str, Path] = {}

    def create(target_type: str) -> Path:
        if target_type not in made:
            folder = tmp_path_factory.mktemp("new") / "below" / target_type
            words = ("--code-dir", str(folder), "--target-type", target_type)
            done = run_drum("new", "model", "--language", "python", *words)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            made[target_type] = folder
        return made[target_type]

    return create


def sample(folder: Path) -> Path:
    (path,) = folder.glob("sample.*")
    return path


def test_every_target_type_has_a_python_template():
    assert set(template_names("python")) == {*TARGET_TYPES, "all_hooks"}


@pytest.mark.parametrize("target_type", TARGET_TYPES)
def test_new_model_scores_and_passes_every_check(created, run_drum, target_type):
    folder = created(target_type)
    place = ("--code-dir", str(folder), "--input", str(sample(folder)))
    scored = run_drum("score", *place)
    assert (scored.returncode, scored.stderr) == (0, "")
    if target_type != "unstructured":
        assert scored.stdout.count("\n") == len(sample(folder).read_text().splitlines())
    checked = run_drum("validation", *place)
    assert checked.returncode == 0
    assert not re.search("WARNING|FAILED", checked.stdout), checked.stdout


@pytest.mark.parametrize("target_type", TARGET_TYPES)
def test_new_model_is_served(created, start_server, target_type):
    folder = created(target_type)
    server = start_server(folder, server_type="fastapi")
    if target_type == "unstructured":
        reply = server.post("/predictUnstructured/", content="A model.")
        assert reply.json() == {"words": 2, "kept": ["model"]}
        return
    path = "/transform/" if target_type == "transform" else "/predict/"
    reply = server.post(path, files={"X": sample(folder).read_bytes()})
    assert reply.status_code == 200, reply.text
    if target_type in ("textgeneration", "agenticworkflow"):
        check_chat(server)


def check_chat(server) -> None:
    answer = server.post("/chat/completions", json=MESSAGE).json()
    assert answer["choices"][0]["message"]["content"] == "Run drum server."
    stream = server.post("/chat/completions", json={**MESSAGE, "stream": True}).text
    assert stream.count("chat.completion.chunk") == 4
    assert stream.rstrip().endswith("[DONE]")


def test_python_template_without_a_type_has_every_hook_commented_out(tmp_path, run_drum):
    folder = tmp_path / "hooks"
    line = ("new", "model", "--code-dir", str(folder), "--language", "python")
    assert run_drum(*line).returncode == 0
    assert {path.name for path in folder.iterdir()} == {"custom.py", "README.md"}
    text = (folder / "custom.py").read_text()
    assert [type(node).__name__ for node in ast.parse(text).body] == ["Expr"]
    assert "drum new model --code-dir" in text
    assert re.search(r"^\d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert {hook.name for hook in HOOKS} == functions_of(uncommented(text))


def uncommented(text: str) -> str:
    return "\n".join(re.sub("^# ?", "", line) for line in text.splitlines())


def functions_of(source: str) -> set[str]:
    return {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_uncommented_hooks_are_accepted_by_the_loader(tmp_path, run_drum):
    folder = tmp_path / "hooks"
    run_drum("new", "model", "--code-dir", str(folder), "--language", "python")
    text = uncommented((folder / "custom.py").read_text())
    fake = '    return type("Mean", (), {"predict": lambda self, data: data["a"] * 0 + 1})()'
    loaded = text.replace('    return joblib.load(Path(code_dir, "model.joblib"))', fake)
    (folder / "custom.py").write_text(loaded)
    (tmp_path / "d.csv").write_text("a\n5\n")
    place = ("--code-dir", str(folder), "--input", str(tmp_path / "d.csv"))
    done = run_drum("score", *place, "--target-type", "regression")
    assert (done.stdout, done.returncode) == ("Predictions\n1\n", 0), done.stderr


@pytest.mark.parametrize("target_type", [None, *template_names("r")])
def test_r_template_has_its_files(tmp_path, run_drum, target_type):
    chosen = () if target_type in (None, "all_hooks") else ("--target-type", target_type)
    line = ("new", "model", "--code-dir", str(tmp_path / "m"), "--language", "r", *chosen)
    assert run_drum(*line).returncode == 0
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {"custom.R", "README.md"} <= names
    assert ("model-metadata.yaml" in names) == bool(chosen)


REFUSED = {
    "other": ("--language", "other"),
    "type": ("--language", "r", "--target-type", "geopoint"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_template_that_is_not_there_is_refused_and_nothing_created(tmp_path, run_drum, case):
    done = run_drum("new", "model", "--code-dir", str(tmp_path / "a" / "m"), *REFUSED[case])
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "use one of" in done.stderr


def test_folder_that_is_there_stays_as_it_is(tmp_path, run_drum):
    done = run_drum("new", "model", "--code-dir", str(tmp_path), "--language", "python")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "already exists! Please provide a non existing path!" in done.stderr


def test_folder_that_cannot_be_made_is_told_in_one_line(tmp_path, run_drum):
    (tmp_path / "file").touch()
    place = ("--code-dir", str(tmp_path / "file" / "below" / "m"))
    done = run_drum("new", "model", *place, "--language", "python")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot be created: Not a directory" in done.stderr


def test_odd_names_do_no_harm(tmp_path, run_drum):
    folder = tmp_path / 'a"""\nprint(1): #{{x}}'
    line = ("--language", "python", "--target-type", "regression")
    done = run_drum("new", "model", "--code-dir", str(folder), *line)
    assert done.returncode == 0, done.stderr
    place = ("--code-dir", str(folder), "--input", str(folder / "sample.csv"))
    assert run_drum("score", *place).stdout.startswith("Predictions\n161.25\n")


def test_verbose_says_what_was_created(tmp_path, run_drum):
    done = run_drum("new", "env", "--code-dir", str(tmp_path / "image"), "--verbose")
    assert done.stdout == f"created {tmp_path / 'image'}\n"


@pytest.fixture
def image(tmp_path, run_drum):
    run_drum("new", "env", "--code-dir", str(tmp_path / "image"), "--framework", "torch")
    return tmp_path / "image"


def test_image_runs_as_nobody_special_and_gets_the_framework(image):
    text = (image / "Dockerfile").read_text()
    assert text.index("USER 10001") < text.index("ENTRYPOINT")
    assert re.search(r"CODE_DIR=/opt/code \\\n +ADDRESS=0\.0\.0\.0:8080", text)
    requirements = (image / "requirements.txt").read_text()
    assert "\nopendrum[torch]>=" in requirements
    assert re.search(r"^# .*--extra-index-url.*CPU", requirements, re.MULTILINE)
    assert not re.search("https?:", requirements)
    assert stat.S_IMODE((image / "start_server.sh").stat().st_mode) & 0o111 == 0o111


NEEDS = {
    "h2o": ("opendrum[h2o]", ["default-jdk-headless"]),
    "java": ("opendrum", ["default-jdk-headless"]),
    "onnx": ("opendrum[onnx]", []),
    "pmml": ("opendrum[pmml]", ["default-jre-headless"]),
    "r": ("opendrum", ["r-base-core", "r-recommended"]),
}


@pytest.mark.parametrize("name", NEEDS)
def test_image_has_what_the_framework_needs(tmp_path, run_drum, name):
    run_drum("new", "env", "--code-dir", str(tmp_path / "image"), "--framework", name)
    requirement, packages = NEEDS[name]
    text = (tmp_path / "image" / "requirements.txt").read_text()
    assert f"\n{requirement}>=" in text
    found = re.findall(
        r"--no-install-recommends (.*) ", (tmp_path / "image/Dockerfile").read_text()
    )
    assert found == ([" ".join(packages)] if packages else [])


def test_every_framework_has_an_extra_of_the_distribution_or_needs_none():
    extras = {framework.extra for framework in FRAMEWORKS.values()} - {None}
    assert extras <= set(metadata("opendrum").get_all("Provides-Extra", []))


@pytest.mark.parametrize("extra", ["s3", "datarobot", "mlops", "openai", "arrow", "report"])
def test_extra_that_is_no_framework_is_refused(tmp_path, run_drum, extra):
    done = run_drum("new", "env", "--code-dir", str(tmp_path / "i"), "--framework", extra)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])


def test_unknown_framework_lists_the_known_ones(tmp_path, run_drum):
    done = run_drum("new", "env", "--code-dir", str(tmp_path / "i"), "--framework", "abacus")
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "unknown framework 'abacus'; use one of catboost, h2o, java" in done.stderr


def test_image_starts_a_server_from_its_environment(image, created, free_port, home):
    folder = created(TargetType.REGRESSION.value)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {"CODE_DIR": str(folder), "ADDRESS": f"127.0.0.1:{free_port}", "PATH": path}
    command = [str(image / "start_server.sh"), "--server-type", "fastapi"]
    with (home / "image.log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        wait_until_alive(process, free_port)
        process.terminate()  # the shell has made room for the server: the signal reaches it
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def wait_until_alive(process: subprocess.Popen[bytes], port: int) -> None:
    import httpx

    deadline = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"not ready; exit code {process.poll()}")


def test_languages_have_templates():
    assert all(template_names(language) for language, _ in LANGUAGES.values())
