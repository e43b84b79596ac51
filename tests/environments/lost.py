#!/usr/bin/env python3
"""Loses each module of the packages `tvm` and `tvm_ffi` once, in a copy of an environment:

    python3 tests/environments/lost.py ENVIRONMENT ARTCHECK [EVERY]

Reality is one `import tvm`. Before a module is loaded the process forks; the child loses the
module's file and goes on, and whether it comes to the end is the answer. What the import
never loads is not needed. ARTCHECK scans the copy without the file: an error of AC209 says
that the import fails. EVERY takes every so many files. Prints each file where both disagree,
and counts.
"""

import collections
import importlib
import importlib.machinery
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ("tvm", "tvm_ffi")


class Forking:
    """Finds a module twice: without its file in a child, and as it is."""

    def __init__(self, site: str, wanted: set, out: str):
        self.site, self.wanted, self.out = site, wanted, out
        self.seen, self.is_child = set(), False

    def find_spec(self, name, path=None, target=None):
        if self.is_child or name.split(".")[0] not in PACKAGES or name in self.seen:
            return None
        self.seen.add(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        file = spec.origin if spec else None
        if not file or os.path.relpath(file, self.site) not in self.wanted:
            return None
        sys.stdout.flush()
        aside = file + ".lost"
        os.rename(file, aside)
        child = os.fork()
        if child == 0:
            self.is_child = True
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
        else:
            status = os.waitpid(child, 0)[1]
            os.rename(aside, file)
            with open(self.out, "a") as out:
                print(os.path.relpath(file, self.site), status == 0, file=out)
        importlib.invalidate_caches()
        return None


def import_all(site: str, wanted: str, out: str) -> None:
    sys.path.insert(0, site)
    sys.dont_write_bytecode = True
    forking = Forking(site, set(pathlib.Path(wanted).read_text().splitlines()), out)
    sys.meta_path.insert(0, forking)
    try:
        import tvm  # noqa: F401
    except BaseException:
        if forking.is_child:
            os._exit(1)
        raise
    if forking.is_child:
        os._exit(0)


def really(python: pathlib.Path, site: pathlib.Path, files: list) -> dict:
    """Whether the import works without each of these files."""
    wanted, out = site.parent / "wanted", site.parent / "really"
    wanted.write_text("\n".join(files))
    out.write_text("")
    command = [python, "-S", __file__, "--import", site, wanted, out]
    subprocess.run([str(word) for word in command], check=True)
    lines = (line.rsplit(" ", 1) for line in out.read_text().splitlines())
    loaded = {file: works == "True" for file, works in lines}
    return {file: loaded.get(file, True) for file in files}


def judged(artcheck: str, site: pathlib.Path, file: str) -> str:
    """The worst that artcheck says of the copy without a file."""
    aside = site.parent / "aside"
    (site / file).rename(aside)
    done = subprocess.run([artcheck, "scan", site, "--format", "json"], capture_output=True, check=False)
    aside.rename(site / file)
    found = {one["severity"] for one in json.loads(done.stdout)["findings"] if one["rule"] == "AC209"}
    return next((word for word in ("error", "warning", "info") if word in found), "nothing")


def main() -> None:
    environment, artcheck, *every = sys.argv[1:]
    environment = pathlib.Path(environment)
    with tempfile.TemporaryDirectory() as folder:
        site = pathlib.Path(folder) / "site-packages"
        shutil.copytree(next(environment.glob("lib/python3*/site-packages")), site, symlinks=True)
        all_files = (file for package in PACKAGES for file in (site / package).rglob("*.py"))
        files = sorted(str(file.relative_to(site)) for file in all_files)[:: int(every[0]) if every else 1]
        works = really(environment / "bin/python", site, files)
        counts = collections.Counter()
        for file in files:
            said = judged(artcheck, site, file)
            counts["import works" if works[file] else "import fails", said] += 1
            if works[file] == (said == "error"):
                print(f"{file}: the import {'works' if works[file] else 'fails'}, and artcheck has {said}")
    for (what, said), count in sorted(counts.items()):
        print(f"{count} {what}, {said}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--import"]:
        import_all(*sys.argv[2:])
    else:
        main()
