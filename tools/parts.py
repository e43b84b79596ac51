#!/usr/bin/env python3
"""Fetch the real runtimes that the tests run on.

Reads `tools/parts.toml`, downloads the pinned wheels through pip, checks their
SHA-256, unpacks them and makes the virtual environments, all below one cache
folder that survives between checkouts:

    $ARTCHECK_PARTS, else $XDG_CACHE_HOME/artcheck/parts, else ~/.cache/artcheck/parts

    wheels/<file>.whl            as downloaded
    unpacked/<wheel name>/       the wheel's files (nothing is executed)
    venv/<venv name>/            a virtual environment

Usage: python3 tools/parts.py [NAME ...]     fetch all that tests need, or only these
       python3 tools/parts.py --group build  fetch what only building the corpus needs
       python3 tools/parts.py --where        print the cache folder
       python3 tools/parts.py --list         print the names

Running it again costs nothing: each part has a stamp that names its pin.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SPEC = Path(__file__).with_name("parts.toml")

# pip's names for the platforms that the project reads artifacts of.
PLATFORM_TAGS = {
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_28_aarch64",
    "macos-arm64": "macosx_11_0_arm64",
    "windows-x64": "win_amd64",
}


def cache_root() -> Path:
    if "ARTCHECK_PARTS" in os.environ:
        return Path(os.environ["ARTCHECK_PARTS"])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "artcheck" / "parts"


def stamp_is_current(folder: Path, pin: str) -> bool:
    stamp = folder / ".artcheck-stamp"
    return stamp.is_file() and stamp.read_text() == pin


def replace_folder(made: Path, final: Path, pin: str) -> None:
    (made / ".artcheck-stamp").write_text(pin)
    if final.exists():
        shutil.rmtree(final)
    made.rename(final)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(wheel: dict, root: Path) -> Path:
    """The wheel's file, downloaded if it is not there, with its hash checked."""
    wheels = root / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    target = wheels / wheel["file"]
    if not target.is_file():
        with tempfile.TemporaryDirectory(dir=wheels) as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                       "--only-binary=:all:", "--python-version", "3.11",
                       "--platform", PLATFORM_TAGS[wheel["platform"]],
                       "--dest", scratch, f"{wheel['package']}=={wheel['version']}"]
            subprocess.run(command, check=True)
            (found,) = Path(scratch).iterdir()
            if found.name != wheel["file"]:
                raise SystemExit(f"parts: expected {wheel['file']}, the registry gave {found.name}")
            found.rename(target)
    actual = sha256(target)
    if actual != wheel["sha256"]:
        target.unlink()
        raise SystemExit(f"parts: {target.name}: SHA-256 is {actual}, pinned is {wheel['sha256']}")
    return target


def fetch_wheel(wheel: dict, root: Path) -> None:
    final = root / "unpacked" / wheel["name"]
    if stamp_is_current(final, wheel["sha256"]):
        return
    print(f"parts: {wheel['name']}", file=sys.stderr, flush=True)
    archive = download(wheel, root)
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=final.parent))
    with zipfile.ZipFile(archive) as file:
        file.extractall(made)
    replace_folder(made, final, wheel["sha256"])


def fetch_venv(venv: dict, root: Path) -> None:
    final = root / "venv" / venv["name"]
    pin = "\n".join(venv["requirements"])
    if stamp_is_current(final, pin):
        return
    print(f"parts: venv {venv['name']}", file=sys.stderr, flush=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    # A virtual environment records its own path, so it is made in place and
    # counts only once its stamp is written.
    shutil.rmtree(final, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(final)], check=True)
    options = ["--no-deps"] if venv.get("no_deps") else []
    subprocess.run([str(final / "bin" / "pip"), "install", "--quiet", *options,
                    *venv["requirements"]], check=True)
    (final / ".artcheck-stamp").write_text(pin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--group")
    parser.add_argument("--where", action="store_true")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    spec = tomllib.loads(SPEC.read_text())
    root = cache_root()
    jobs = {w["name"]: (fetch_wheel, w) for w in spec["wheel"]}
    jobs |= {v["name"]: (fetch_venv, v) for v in spec["venv"]}
    if args.where:
        print(root)
        return
    if args.list:
        print("\n".join(jobs))
        return
    unknown = [name for name in args.names if name not in jobs]
    if unknown:
        raise SystemExit(f"parts: no part named {', '.join(unknown)}; see --list")
    chosen = args.names or [name for name, (_, part) in jobs.items()
                            if part.get("group") == args.group]
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(jobs[n][0], jobs[n][1], root) for n in chosen]:
            future.result()


if __name__ == "__main__":
    main()
