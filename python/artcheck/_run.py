"""Runs the program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Iterable, Sequence, Union

from ._report import Report, UsageError

Paths = Union[str, "os.PathLike[str]"]


def program() -> Path:
    """The ``artcheck`` program of this installation, or else the one on PATH."""
    name = "artcheck.exe" if sys.platform == "win32" else "artcheck"
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    for scheme in schemes:
        candidate = Path(sysconfig.get_path("scripts", scheme)) / name
        if candidate.is_file():
            return candidate
    found = shutil.which(name)
    if found is None:
        raise UsageError("the artcheck program is not installed beside the package, nor on PATH")
    return Path(found)


def scan(
    paths: Union[Paths, Iterable[Paths]],
    *,
    runtime: Union[str, Sequence[str]] = (),
    target: str | None = None,
    fail_on: str | None = None,
    config: Paths | None = None,
    baseline: Paths | None = None,
    allow_undecided: bool = False,
    provides: Sequence[str] = (),
    args: Sequence[str] = (),
) -> Report:
    """Scans files and folders; never executes what it reads.

    The keywords are the program's flags; ``args`` takes others. Raises
    :class:`UsageError` where the program could not do its job, and nothing else:
    findings are in the report, and :meth:`Report.check` raises for them.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    runtimes = [runtime] if isinstance(runtime, str) else list(runtime)
    command = [os.fspath(program()), "scan", "--format", "json"]
    for flag, values in (("--runtime", runtimes), ("--provides", provides)):
        for value in values:
            command.append(f"{flag}={value}")
    for option, given in (
        ("--target", target),
        ("--fail-on", fail_on),
        ("--config", config),
        ("--baseline", baseline),
    ):
        if given is not None:
            command.append(f"{option}={os.fspath(given)}")
    if allow_undecided:
        command.append("--allow-undecided")
    command += [*args, "--", *(os.fspath(path) for path in listed)]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode not in (0, 1, 3, 4):
        raise UsageError(run.stderr.decode("utf-8", "replace").strip())
    return Report.of(json.loads(run.stdout), run.returncode)
