"""Makes the environments of framework tests from their locks; prints the interpreter's path."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.frameworks.environments import (  # noqa: E402  # the path to it is set above
    ENVIRONMENTS,
    HERE,
    STAMP,
    Environment,
    environment_named,
)

FOLDER = ROOT / ".venv-frameworks"
PACKAGE = ROOT / "custom_model_runner"
USAGE = "usage: scripts/framework_env NAME | --lock NAME | --list"


def make(environment: Environment) -> Path:
    """Its interpreter; the environment is made unless it is there and of this lock."""
    require_programs(environment)
    place = FOLDER / f"{environment.name}-{digest(environment.lock)}"
    python, stamp = place / "bin" / "python", place / STAMP
    package = digest(PACKAGE / "pyproject.toml", PACKAGE / "requirements.txt")
    wanted = f"{environment.name} {package}"
    found = stamp.read_text() if stamp.exists() else ""
    if found == wanted:
        return python
    if not found:
        for old in FOLDER.glob(f"{environment.name}-*"):
            shutil.rmtree(old)
        tell(f"making {place.relative_to(ROOT)}")
        venv.create(place, with_pip=True, symlinks=True)
        install(python, environment, "--requirement", str(environment.lock))
    # the package itself again when its entry points or dependencies have changed
    install(python, environment, "--editable", str(PACKAGE))
    check(python, environment)
    stamp.write_text(wanted)
    return python


def require_programs(environment: Environment) -> None:
    """Install the programs of the system that it needs; SystemExit where that cannot be done here.

    Only root of a Debian system can; anybody else is told what to install.
    """
    missing = missing_programs(environment)
    if not missing:
        return
    packages = sorted({word for name in missing for word in environment.programs[name].split()})
    if os.geteuid() == 0 and shutil.which("apt-get"):
        tell(f"installing {' '.join(packages)}")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        for command in (["apt-get", "update"], install):
            subprocess.run(command, stdout=subprocess.DEVNULL, env=env, check=False)
        missing = missing_programs(environment)
    if missing:
        sys.exit(
            f"framework_env: {environment.name} needs {', '.join(missing)}; "
            f"apt-get install {' '.join(packages)}"
        )


def missing_programs(environment: Environment) -> list[str]:
    """The programs it needs and the system lacks."""
    return [name for name in environment.programs if shutil.which(name) is None]


def digest(*paths: Path) -> str:
    """A short name for the content of files and the version of Python."""
    content = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()[:12]


def install(python: Path, environment: Environment, *what: str) -> None:
    """Install exactly what is given, by the first installer that can do it."""
    for command in installers(python):
        if subprocess.run([*command, "--quiet", "--no-deps", *what], stdout=2).returncode == 0:
            return
    hint = f"; {environment.hint}" if environment.hint else ""
    sys.exit(f"framework_env: could not install {what[-1]} into {python.parent.parent}{hint}")


def installers(python: Path) -> Iterator[list[str]]:
    """uv, and pip, whose configuration uv does not read."""
    uv = shutil.which("uv")
    if uv:
        # compiled now: where PYTHONDONTWRITEBYTECODE is set each start would compile it all anew
        yield [
            *(uv, "pip", "install", "--compile-bytecode", "--python", str(python)),
            *find_links(),
        ]
    yield [str(python), "-m", "pip", "install"]


def find_links() -> list[str]:
    """Folders of packages that pip is told of, for uv."""
    places = os.environ.get("PIP_FIND_LINKS", "").split()
    return [word for place in places for word in ("--find-links", place)]


def check(python: Path, environment: Environment) -> None:
    """SystemExit when the lock does not give the package all that it needs."""
    command = [str(python), "-m", "pip", "check"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        tell(done.stdout)
        sys.exit(
            f"framework_env: {environment.lock.relative_to(ROOT)} does not fit the package; "
            f"run scripts/framework_env --lock {environment.name}"
        )


def lock(environment: Environment) -> None:
    """Pin what the environment, the package and the test tools need."""
    sources = [environment.wanted, HERE / "tools.in", PACKAGE / "requirements.txt"]
    relative = [str(path.relative_to(ROOT)) for path in sources]
    output = str(environment.lock.relative_to(ROOT))
    options = ["--quiet", "--python-version", "3.11", "--no-annotate", "--output-file", output]
    command = ["uv", "pip", "compile", *options, *find_links()]
    header = f"scripts/framework_env --lock {environment.name}"
    env = {**os.environ, "UV_CUSTOM_COMPILE_COMMAND": header}
    environment.lock.unlink(missing_ok=True)
    subprocess.run([*command, *relative], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True)


def tell(message: str) -> None:
    """Say what takes long, beside the path that is printed."""
    print(f"framework_env: {message}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Run one command line; the exit code is 2 when it cannot be understood."""
    if arguments == ["--list"]:
        print(*[environment.name for environment in ENVIRONMENTS], sep="\n")
        return 0
    try:
        environment = environment_named(arguments[-1])
    except (IndexError, ValueError) as error:
        print(f"framework_env: {error}\n{USAGE}", file=sys.stderr)
        return 2
    if arguments == ["--lock", environment.name]:
        lock(environment)
    elif arguments == [environment.name]:
        print(make(environment))
    else:
        print(USAGE, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
