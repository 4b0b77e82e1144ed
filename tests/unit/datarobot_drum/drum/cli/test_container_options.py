"""Every file of a command line is mounted, and every path on it becomes that of the container."""

from __future__ import annotations

from pathlib import Path

import pytest

from datarobot_drum.drum.cli.container import run_command
from datarobot_drum.drum.cli.container_build import image_tag, install_line
from datarobot_drum.drum.cli.container_options import Inside, Mount, inside
from datarobot_drum.drum.cli.parser import parse
from datarobot_drum.drum.errors import DrumError

FILES = {
    "--sparse-column-file": "names.txt",
    "--runtime-params-file": "params.yaml",
    "--lazy-loading-file": "lazy.yaml",
    "--input": "rows.mtx",
}
FIT_FILES = {
    "--target-csv": "y.csv",
    "--row-weights-csv": "w.csv",
    "--parameter-file": "p.json",
    "--sparse-column-file": "names.txt",
    "--input": "rows.mtx",
}


R_LINE = (
    """RUN ["Rscript", "-e", "install.packages(c('caret', 'rjson'), """
    """repos='https://cloud.r-project.org')"]"""
)


def translated(folder: Path, command: str, *words: str, **environ: str) -> Inside:
    args = parse([command, "--code-dir", str(folder), "--docker", "img", *words], environ)
    return inside(args, environ)


def made(folder: Path, files: dict[str, str]) -> list[str]:
    """Options with files that are there."""
    for name in files.values():
        (folder / name).write_text("a\nb\n")
    return [word for flag, name in files.items() for word in (flag, str(folder / name))]


@pytest.mark.parametrize(("command", "files"), [("score", FILES), ("fit", FIT_FILES)])
def test_every_file_is_mounted_under_its_own_name(
    command: str, files: dict[str, str], tmp_path: Path
):
    line = translated(tmp_path, command, *made(tmp_path, files))
    mounts = {mount.source: mount for mount in line.mounts}
    for flag, name in files.items():
        place = f"/opt/{flag[2:].replace('-', '_')}/{name}"
        assert f"{flag}={place}" in line.words
        assert mounts[str(tmp_path / name)] == Mount(str(tmp_path / name), place)
    assert not any(str(tmp_path) in word for word in line.words)


def test_server_files_and_folders_are_mounted(tmp_path: Path):
    files = made(tmp_path, {"--deployment-config": "d.json"})
    (tmp_path / "secrets").mkdir()
    secrets = ["--user-secrets-mount-path", str(tmp_path / "secrets")]
    line = translated(tmp_path, "server", "--address", "0.0.0.0:80", *files, *secrets)
    assert [mount.option for mount in line.mounts] == [
        f"{tmp_path}:/opt/model",
        f"{tmp_path / 'd.json'}:/opt/deployment_config/d.json:ro",
        f"{tmp_path / 'secrets'}:/opt/user_secrets:ro",
    ]
    assert "--user-secrets-mount-path=/opt/user_secrets" in line.words


def test_output_folder_of_fit_is_writable(tmp_path: Path):
    (tmp_path / "out").mkdir()
    words = made(tmp_path, {"--input": "x.csv"})
    line = translated(tmp_path, "fit", *words, "--target", "y", "--output", str(tmp_path / "out"))
    assert Mount(str(tmp_path / "out"), "/opt/fit_output_dir", True) in line.mounts
    assert {"--output=/opt/fit_output_dir", "--target=y"} <= set(line.words)
    assert line.outputs == ()


def test_labels_of_a_file_become_words(tmp_path: Path):
    (tmp_path / "labels.txt").write_text("a b\nc\n")
    words = made(tmp_path, {"--input": "x.csv"})
    labels = ["--class-labels-file", str(tmp_path / "labels.txt")]
    line = translated(tmp_path, "score", *words, *labels)
    at = line.words.index("--class-labels")
    assert line.words[at + 1 : at + 3] == ["a b", "c"]


def test_flags_of_variables_stay_variables(tmp_path: Path):
    words = made(tmp_path, {"--input": "x.csv"})
    line = translated(tmp_path, "score", *words, MONITOR="1", DRUM_X="1", CODE_DIR="y")
    assert "--monitor" not in line.words
    assert line.passed == ["DRUM_X", "MONITOR"]


def test_user_secrets_are_passed_by_their_prefix(tmp_path: Path):
    words = made(tmp_path, {"--input": "x.csv"})
    prefix = ["--user-secrets-prefix", "MY"]
    line = translated(tmp_path, "score", *words, *prefix, MY_KEY="{}", MINE="{}")
    assert line.passed == ["MY_KEY"]


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("0.0.0.0:80", "80:80"),
        ("localhost:80", "127.0.0.1:80:80"),
        ("10.0.0.1:80", "10.0.0.1:80:80"),
        ("[::1]:80", "[::1]:80:80"),
        ("[::]:80", "80:80"),
        ("a.host:80", "80:80"),
    ],
)
def test_port_is_published_where_the_server_was_asked_to_listen(address, port, tmp_path):
    line = translated(tmp_path, "server", "--address", address)
    assert line.port == port
    at = line.words.index("--address")
    assert line.words[at + 1] == "0.0.0.0:80"


def test_input_that_is_no_file_is_refused(tmp_path: Path):
    with pytest.raises(DrumError, match="--input must be an ordinary file, not /dev/null"):
        translated(tmp_path, "score", "--input", "/dev/null")


def test_path_with_a_colon_is_refused(tmp_path: Path):
    with pytest.raises(DrumError, match="path with a colon cannot be mounted"):
        Mount("/a:b", "/opt/x").option  # noqa: B018


def test_podman_keeps_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.getuid", lambda: 1000)
    command = run_command("/usr/bin/podman", "img", None, Inside(["score"], [], [], {}))
    assert "--userns=keep-id" in command
    assert command[-3:] == ["img", "drum", "score"]


def test_tag_is_two_names_in_lower_case():
    assert image_tag(Path("/x/Some/Context")) == "some/context"
    assert image_tag(Path("/Context")) == "context"


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        (
            "python",
            "a\nb==1 ; python_version > '3'\n",
            """RUN pip3 install 'a' 'b==1 ; python_version > '"'"'3'"'"''""",
        ),
        ("python", "# none\n", ""),
        (
            "r",
            "caret\nrjson\n",
            R_LINE,
        ),
        ("r", "", ""),
        ("java", "a", None),
    ],
)
def test_requirements_become_a_line_of_the_dockerfile(language, text, line):
    assert install_line(language, text) == line


def test_odd_name_of_an_r_package_is_refused():
    with pytest.raises(DrumError, match="no name of an R package"):
        install_line("r", "caret'); system('x")
