"""Load sets on one system's loader: the registry, pairs of wheels, and damaged files."""

import json
import re
import subprocess
from pathlib import Path

from systems import FFI, PARTS, REGISTRY, ROOT, SYSTEMS, VERSIONS, System, environment, folder_of

# Wine binds an import that is not there to a stub and goes on, where Windows refuses
# with 127. It says so on request.
STUB = re.compile(r"No implementation for (tvm\w*\.dll\.\S+) imported from")
# Wine's words on itself, and frames of backtraces.
NOISE = re.compile(r"^\s*File \"|^Traceback|^[0-9a-f]{4}:|wine32|^multiarch needs to be|^execute \"dpkg|^wine: Unhandled")
# What the numbers stand for: the texts are Wine's own and differ from Windows'.
NUMBER = re.compile(r"\[WinError (\d+)\]")


def program(system: System, work: Path) -> Path:
    """Loads libraries in order and prints the registry; built for the system."""
    out = work / f"registry-{system.name}.exe"
    if not out.is_file():
        link = ["-ldl"] if system.name == "aarch64" else []
        subprocess.run([*system.compiler, "-O1", "-o", out, REGISTRY, *link], check=True)
    return out


def load(system: System, work: Path, files) -> dict:
    """Whether the loader takes them, one after the other, and its words."""
    env = {**environment(), "WINEDEBUG": "warn+module"}
    command = system.command(program(system, work), *files)
    out, err = work / "out", work / "err"
    # Files, not pipes: Wine's server outlives the program and would hold them open.
    with out.open("w") as o, err.open("w") as e:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=o, stderr=e, env=env,
                                timeout=300, check=False).returncode
    errors = err.read_text(errors="replace")
    stubs = STUB.findall(errors)
    said = [line for line in errors.splitlines() if not NOISE.search(line)]
    words = " ".join(" ".join(said).split())
    for path in (work, PARTS, PARTS.parent, ROOT):
        words = words.replace(f"{path}/", "")
    if stubs and status == 0:
        words = f"unresolved: {stubs[0]}"
    loads = status == 0 and not stubs
    names = sorted(line.strip() for line in out.read_text().splitlines() if line.strip())
    return {"really": "loads" if loads else "refused", "status": status, "words": words[:300],
            "names": [n for n in names if not n.startswith("testing.")]}


def scan(artcheck, paths, *more) -> dict:
    command = [artcheck, "scan", *paths, *more, "--format", "json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True,
                                       check=False).stdout)
    errors = [f for f in report["findings"] if f["severity"] == "error"]
    says = [f["runtime_says"] for f in report["findings"] if f.get("runtime_says")]
    return {"rules": sorted({f["rule"] for f in report["findings"]}),
            "errors": sorted({f["rule"] for f in errors}), "says": sorted(set(says))}


def registry(artcheck, system: System, work: Path):
    for release in VERSIONS:
        files = system.load_set(release, FFI[release])
        listed = load(system, work, files)["names"]
        folder = folder_of(files, work / system.name / release)
        out = subprocess.run([artcheck, "runtime", folder, "--format", "json"],
                             capture_output=True, text=True, check=False).stdout
        read = sorted(json.loads(out)["runtimes"][0]["functions"]["value"])
        yield {"part": "registry", "system": system.name, "release": release,
               "listed": len(listed), "read": len(read), "only_listed": sorted({*listed} - {*read}),
               "only_read": sorted({*read} - {*listed})}


def sets(artcheck, system: System, work: Path):
    """Each runtime with each tvm-ffi."""
    for release in VERSIONS:
        for ffi in FFI.values():
            files = system.load_set(release, ffi)
            folder = folder_of(files, work / "sets" / system.name / f"{release}-{ffi}")
            said = scan(artcheck, [folder])
            really = load(system, work, files)
            right = (not said["errors"]) == (really["really"] == "loads")
            really.pop("names")
            yield {"part": "set", "system": system.name, "runtime": release, "ffi": ffi, **said,
                   **really, "judged": "right" if right else "wrong"}


def other_machine(data: bytes, system: System) -> bytes:
    """The same library, said to be for another processor."""
    changed = bytearray(data)
    at = 18 if system.name == "aarch64" else int.from_bytes(data[0x3C:0x40], "little") + 4
    changed[at:at + 2] = (0x3E if system.name == "aarch64" else 0xAA64).to_bytes(2, "little")
    return bytes(changed)


def files_of(system: System):
    """(case, name, bytes, whether libtvm_ffi is there): a model library, and what becomes of it."""
    folder = PARTS / "built" / "tvm-0.27"
    built = folder / f"embedding-{system.suffix}"
    data, suffix = built.read_bytes(), built.suffix
    runtime = system.runtime("0.27")[0]
    yield "sound", f"model{suffix}", data, True
    yield "runtime without tvm-ffi", runtime.name, runtime.read_bytes(), False
    twin = runtime.with_stem(runtime.stem + "_copy").name
    yield "the runtime twice", twin, runtime.read_bytes(), True
    if system.name == "macos":
        return  # Damage is for dyld to refuse, and the one here is our own.
    yield "cut to 20 kB", f"model{suffix}", data[:20000], True
    yield "first 100 bytes", f"model{suffix}", data[:100], True
    yield "empty file", f"model{suffix}", b"", True
    yield "web page", f"model{suffix}", b"<!DOCTYPE html><html><body>404</body></html>\n", True
    yield "Git LFS pointer", f"model{suffix}", (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1\n" % (b"0" * 64)), True
    other = SYSTEMS["windows" if system.name == "aarch64" else "aarch64"]
    foreign = folder / f"embedding-{other.suffix}"
    yield "another system's format", f"model{suffix}", foreign.read_bytes(), True
    yield "another processor's", f"model{suffix}", other_machine(data, system), True


def messages(artcheck, system: System, work: Path):
    """What the loader says of damaged files, and what the rules say it says."""
    runtime = system.load_set("0.27", FFI["0.27"])
    for number, (case, name, data, with_ffi) in enumerate(files_of(system)):
        folder = work / "files" / system.name / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        before = runtime if with_ffi else []
        is_part = "runtime" in name
        beside = folder if is_part else folder / "runtime"
        folder_of(before, beside)
        more = [] if is_part else ["--runtime", beside]
        said = scan(artcheck, [folder if is_part else folder / name], *more)
        really = load(system, work, [*before, folder / name])
        really.pop("names")
        words = really["words"]
        numbers = [NUMBER.findall(text) for text in said["says"]]
        met = [text for text, found in zip(said["says"], numbers)
               if (found and found[0] in NUMBER.findall(words)) or plain(text, words)]
        # What may be elsewhere on a machine, or never be loaded, gets a warning.
        blamed = bool(said["errors"]) or bool({"AC205", "AC206"} & {*said["rules"]})
        right = blamed == (really["really"] != "loads")
        yield {"part": "message", "system": system.name, "case": case, **said, **really,
               "same_words": bool(met), "judged": "right" if right else "wrong"}


def plain(text: str, words: str) -> bool:
    """Whether the predicted text is in the loader's, apart from the file's name before it."""
    return not NUMBER.search(text) and text.split(": ", 1)[-1] in words
