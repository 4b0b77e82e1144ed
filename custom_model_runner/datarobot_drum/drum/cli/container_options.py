"""A command line as it reads inside a container: mounts, paths, and variables to pass on."""

from __future__ import annotations

import ipaddress
import os
import stat
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datarobot_drum.drum.cli import values
from datarobot_drum.drum.cli.argument import Argument
from datarobot_drum.drum.cli.arguments import arguments_of
from datarobot_drum.drum.cli.model_spec import SECRET_OPTIONS
from datarobot_drum.drum.cli.output import check_output
from datarobot_drum.drum.enum import SERVE_SPEC_VARIABLE
from datarobot_drum.drum.errors import DrumError
from datarobot_drum.drum.settings import setting_rows

PLACE = "/opt"
#: What the engine itself is told, or what is done here.
LEFT_OUT = frozenset({"docker", "memory", "skip_deps_install"})
#: Folders, and their names inside.
FOLDERS = {
    "code_dir": "model",
    "output": "fit_output_dir",
    "user_secrets_mount_path": "user_secrets",
}
#: The types of options that name a file to write.
WRITTEN = frozenset({values.any_path, values.any_path_or_stdout, values.any_path_but_stdout})
#: Variables of the model, the platform and the libraries, by how they begin.
PASSED_ON = (
    "MLOPS_",
    "OTEL_",
    "DRUM_",
    "DATAROBOT_",
    "OPENAI_",
    "DRIVERLESS_AI_",
    "GPU_COUNT",
)
NOT_PASSED_ON = frozenset({"DRUM_CONTAINER_ENGINE", SERVE_SPEC_VARIABLE})


@dataclass(frozen=True)
class Mount:
    """A file or folder of this machine, and where it is inside; an output need not be there yet."""

    source: str
    target: str
    is_writable: bool = False
    is_output: bool = False

    @property
    def option(self) -> str:
        """The value of the engine's option -v; a colon would end the path there."""
        if ":" in self.source:
            raise DrumError(f"--docker: a path with a colon cannot be mounted: {self.source}")
        return f"{self.source}:{self.target}" + ("" if self.is_writable else ":ro")


@dataclass(frozen=True)
class Inside:
    """The words after `drum`, and what the container needs for them.

    `passed` are names of variables that it gets from here, `variables` those of them that an
    option holds; `port` is the value of -p; `outputs` are the files that will be written.
    """

    words: list[str]
    mounts: list[Mount]
    passed: list[str]
    variables: dict[str, str]
    port: str | None = None
    outputs: tuple[Path, ...] = ()


def inside(args: Namespace, environ: Mapping[str, str], files: Sequence[str] = ()) -> Inside:
    """Translate a parsed command line; `files` are to be found inside where they are here."""
    words = [args.command]
    mounts = [Mount(os.path.realpath(path), os.path.abspath(path)) for path in files]
    for argument in arguments_of(args.command):
        value = getattr(args, argument.dest)
        is_told = value != argument.default and argument.dest not in LEFT_OUT
        if not is_told or argument.dest in SECRET_OPTIONS or _is_by_variable(args, argument):
            continue
        mount = _mount(argument, value)
        if mount is not None:
            mounts.append(mount)
            value = mount.target
        words += _words(argument, value)
    variables = {
        name: getattr(args, dest)
        for dest, name in SECRET_OPTIONS.items()
        if getattr(args, dest, None)
    }
    return Inside(
        words=words,
        mounts=mounts,
        passed=sorted({*_passed(args, environ), *variables}),
        variables=variables,
        port=_port(*args.address) if args.command == "server" else None,
        outputs=tuple(Path(mount.source) for mount in mounts if mount.is_output),
    )


def _is_by_variable(args: Namespace, argument: Argument) -> bool:
    """Is it a flag that a variable asks for? Then it must not look as if the user had given it."""
    return argument.is_flag and argument.dest in args.from_environment


def _mount(argument: Argument, value: object) -> Mount | None:
    dest = argument.dest
    if argument.kind.get("type") in WRITTEN:
        return _output_mount(dest, str(value))
    if dest in FOLDERS:
        is_writable = dest != "user_secrets_mount_path"
        return Mount(os.path.realpath(str(value)), f"{PLACE}/{FOLDERS[dest]}", is_writable)
    if argument.kind.get("type") is not values.existing_file:
        return None
    if not os.path.isfile(str(value)):
        raise DrumError(f"--docker: {argument.flags[-1]} must be an ordinary file, not {value}")
    return Mount(str(value), f"{PLACE}/{dest}/{Path(str(value)).name}")


def _output_mount(dest: str, name: str) -> Mount | None:
    """None for stdout and for a device such as /dev/null, which are there inside as well."""
    if name == values.STDOUT or _is_device(name):
        return None
    check_output(name)
    target = f"{PLACE}/{dest}/{Path(name).name}"
    return Mount(name, target, is_writable=True, is_output=True)


def _is_device(name: str) -> bool:
    return os.path.exists(name) and not stat.S_ISREG(os.stat(name).st_mode)


def _words(argument: Argument, value: object) -> list[str]:
    option = argument.flags[-1]
    if argument.is_flag:
        return [option]
    if not isinstance(value, (list, tuple)):
        return [f"{option}={value}"]
    if argument.dest == "address":
        return [option, f"{values.ALL_INTERFACES}:{value[1]}"]
    items = [str(item) for item in value]
    if argument.dest == "class_labels_file":
        return ["--class-labels", *items]
    return [option, *items] if argument.is_list else [f"{option}={','.join(items)}"]


def _port(host: str, port: int) -> str:
    """Publish the port where the server was asked to listen."""
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{port}:{port}"
    if address.is_unspecified:
        return f"{port}:{port}"
    return f"[{host}]:{port}:{port}" if address.version == 6 else f"{host}:{port}:{port}"


def _passed(args: Namespace, environ: Mapping[str, str]) -> Iterator[str]:
    """Names of the variables that a command inside reads, and no others."""
    known = {name for row in setting_rows() for name in (row.parameter, *row.aliases)}
    prefix = getattr(args, "user_secrets_prefix", None)
    begins = (*PASSED_ON, f"{prefix}_") if prefix else PASSED_ON
    by_option: set[str] = set()
    by_variable: set[str] = set()
    for argument in arguments_of(args.command):
        names = by_variable if _is_by_variable(args, argument) else by_option
        names.update(argument.env)
    for name in environ:
        is_wanted = name in known or name.startswith(begins)
        is_kept_back = name in NOT_PASSED_ON or name in by_option
        if name in by_variable or (is_wanted and not is_kept_back):
            yield name
