"""Virtual environments as `subjects.toml` describes them: which pairs there
are, and how one is made, used and thrown away.

Packages come from the index that uv is set up for; its cache is shared between
the environments and files are hard-linked, so that one costs a few megabytes.
Everything is put below one working folder, outside the repository.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("ARTCHECK_ENVIRONMENTS") or Path(tempfile.gettempdir()) / "artcheck-environments")
UV = os.environ.get("UV", "uv")


def uv(*arguments, **options):
    """Runs uv on the shared cache."""
    env = dict(os.environ, UV_CACHE_DIR=str(WORK / "cache"), UV_LINK_MODE="hardlink")
    options = {"check": True} | options
    return subprocess.run([UV, *map(str, arguments)], env=env, text=True, **options)


def unmet(folder):
    """Installed packages that another installed package excludes, in the words
    of uv's own check. Packages that are absent are not named: they are absent
    from every environment made here."""
    done = uv("pip", "check", "-p", folder, check=False, capture_output=True)
    return sorted(line for line in done.stderr.splitlines() if " is installed" in line)


def cases():
    """Every environment to make: a name, its exact requirements, and the
    statements to try in it, each in a process of its own."""
    described = tomllib.loads((HERE / "subjects.toml").read_text())
    for subject in described["subject"]:
        for version in subject["versions"]:
            for ffi in subject["ffi"]:
                package = f"{subject['package']}=={version}"
                yield {
                    "name": f"{package} apache-tvm-ffi=={ffi}",
                    "requirements": [package, f"apache-tvm-ffi=={ffi}"],
                    "beside": described["common"] + subject.get("beside", []),
                    "heavy": subject.get("heavy", False),
                    "statements": subject["statements"],
                }
    for group in described["together"]:
        yield {
            "name": " ".join([*group["requirements"], *group.get("note", "").split()]),
            "requirements": group["requirements"],
            "beside": described["common"] + group.get("beside", []),
            "heavy": group.get("heavy", False),
            "statements": group["statements"],
        }


def heavy():
    """The `site-packages` folder with torch and its like, made once: imports
    need them, and nothing that is asked here depends on their versions."""
    folder = WORK / "heavy"
    if not (folder / "done").exists():
        described = tomllib.loads((HERE / "subjects.toml").read_text())
        shutil.rmtree(folder, ignore_errors=True)
        uv("venv", "-q", "-p", "3.11", folder)
        uv("pip", "install", "-q", "-p", folder, *described["heavy"])
        (folder / "done").touch()
    return folder / "lib/python3.11/site-packages"


@contextlib.contextmanager
def environment(case):
    """Makes the environment of one case, and removes it afterwards."""
    folder = WORK / f"venv-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        uv("venv", "-q", "-p", "3.11", folder)
        packages = [*case["requirements"], *case["beside"]]
        uv("pip", "install", "-q", "-p", folder, "--no-deps", *packages)
        if case["heavy"]:
            link = folder / "lib/python3.11/site-packages/heavy.pth"
            link.write_text(f"{heavy()}\n")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
