"""The systems that run here: their wheels, programs and emulators."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "corpus" / "build"))

from build import FFI, VERSIONS, cache_root, interpreter  # noqa: E402

PARTS = cache_root()
MATRIX = ROOT / "tests" / "systems" / "matrix.toml"
REGISTRY = ROOT / "crates" / "inspect" / "tests" / "all" / "registry.c"


@dataclass
class System:
    name: str
    platform: str        # as the wheels are named in tools/parts.toml
    library: str         # how a library's base name becomes a file name
    suffix: str          # of the corpus' libraries
    emulator: list
    compiler: list       # what builds the registry program
    target: str          # Rust's name
    version: list        # prints the emulator's

    def wheel_file(self, wheel: str, folder: str, base: str) -> Path:
        return PARTS / "unpacked" / f"{wheel}-{self.platform}" / folder / self.library.format(base)

    def ffi(self, version: str) -> Path:
        return self.wheel_file(f"tvm-ffi-{version}", "tvm_ffi/lib", "tvm_ffi")

    def runtime(self, release: str) -> list:
        return [self.wheel_file(f"tvm-{release}", "tvm/lib", base)
                for base in ("tvm_runtime", "tvm_runtime_extra")]

    def load_set(self, release: str, ffi: str) -> list:
        """libtvm_ffi first, as every client loads them."""
        return [self.ffi(ffi), *self.runtime(release)]

    def command(self, program, *arguments) -> list:
        return [*self.emulator, str(program), *map(str, arguments)]


ZIG = [str(interpreter("tools")), "-m", "ziglang"]
# The emulator is a library that artcheck is built with: its version is Cargo's.
UNICORN = r'/^name = "unicorn-engine"/{n;s/version = "\(.*\)"/unicorn-engine \1/p}'
SYSTEMS = {
    "aarch64": System("aarch64", "linux-aarch64", "lib{}.so", "cpu-aarch64.so",
                      ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
                      ["aarch64-linux-gnu-gcc"], "aarch64-unknown-linux-gnu",
                      ["qemu-aarch64", "--version"]),
    "macos": System("macos", "macos-arm64", "lib{}.dylib", "cpu-macos-arm64.dylib",
                    [str(ROOT / "target" / "debug" / "examples" / "macos_program")],
                    [*ZIG, "cc", "-target", "aarch64-macos", "-dynamiclib"],
                    "aarch64-apple-darwin", ["sed", "-n", UNICORN, str(ROOT / "Cargo.lock")]),
    "windows": System("windows", "windows-x64", "{}.dll", "cpu-windows-x64.dll", ["wine"],
                      [*ZIG, "cc", "-target", "x86_64-windows-gnu"], "x86_64-pc-windows-gnu",
                      ["wine", "--version"]),
}


def environment() -> dict:
    """Wine keeps its registry and drives in a folder of ours, and says what it does not find.
    zig makes what a Mac has of its own."""
    prefix = Path(tempfile.gettempdir()) / "artcheck-wine"
    return {**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all",
            "ARTCHECK_ZIG": " ".join(ZIG)}


def folder_of(files, into: Path) -> Path:
    """A folder with the files and nothing else, as an application ships them."""
    into.mkdir(parents=True, exist_ok=True)
    for file in files:
        link = into / Path(file).name
        if not link.exists():
            link.symlink_to(file)
    return into


def words_of(command) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[0].strip() if lines else "not found"


__all__ = ["FFI", "MATRIX", "PARTS", "REGISTRY", "ROOT", "SYSTEMS", "VERSIONS", "System",
           "ZIG", "environment", "folder_of", "words_of"]
