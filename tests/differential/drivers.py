"""One driver process per runtime; a crash or a hang of one is an answer too."""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 900  # seconds for one schedule; driver.py ends one that computes too long


def parts():
    """Where the fetched runtimes are; ARTCHECK_PARTS names another place, as for the tests."""
    named = os.environ.get("ARTCHECK_PARTS")
    return Path(named) if named else Path.home() / ".cache" / "artcheck" / "parts"


# What memory holds before it is written is chance: `settle.c` makes it zero, in every
# process, and what it leaves alone comes from the system. One thread, since the order of
# additions is chance too.
SETTLED = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1048576", "TVM_NUM_THREADS": "1",
           "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
# The same addresses each time, where the machine allows it.
FIXED_ADDRESSES = ["setarch", "-R"] if shutil.which("setarch") and subprocess.run(
    ["setarch", "-R", "true"], capture_output=True, check=False).returncode == 0 else []


class Driver:
    """A runtime that answers schedules, restarted when it hangs."""

    def __init__(self, release):
        self.release = release
        self.python = parts() / "venv" / f"tvm-{release}" / "bin" / "python"
        self.process = None

    def start(self):
        self.folder = tempfile.TemporaryDirectory(prefix="artcheck-differential-")
        self.unread = b""
        zeros = Path(self.folder.name) / "settle.so"
        subprocess.run(["cc", "-O2", "-fno-builtin", "-shared", "-fPIC", "-o", str(zeros),
                        str(HERE / "settle.c")], check=True)
        self.process = subprocess.Popen(
            [*FIXED_ADDRESSES, str(self.python), str(HERE / "driver.py")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder.name,
            env={**os.environ, **SETTLED, "LD_PRELOAD": str(zeros)}, start_new_session=True)

    def stop(self):
        if self.process is not None:
            with suppress(ProcessLookupError):  # it and what it forked
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            with suppress(BrokenPipeError):  # what was not read any more
                self.process.stdin.close()
            self.process.stdout.close()
            self.folder.cleanup()
            self.process = None

    def answer(self, schedule):
        """What each operation answered; the last line says how the process ended if it did."""
        if self.process is None:
            self.start()
        results = []
        try:
            self.process.stdin.write((json.dumps(schedule) + "\n").encode())
            self.process.stdin.flush()
            while (line := self.line()) not in (b".\n", b"", None):
                with suppress(json.JSONDecodeError):  # cut short by a crash
                    results.append(json.loads(line))
        except BrokenPipeError:
            line = b""
        if line != b".\n":
            results.append({"ended": "no answer" if line is None else "no driver"})
            self.stop()
        return results

    def line(self):
        """The next line, nothing at the end of the process, or None when it takes too long."""
        pipe = self.process.stdout.fileno()
        while b"\n" not in self.unread:
            if not select.select([pipe], [], [], PATIENCE)[0]:
                return None
            more = os.read(pipe, 1 << 16)
            if not more:
                return b""
            self.unread += more
        line, self.unread = self.unread.split(b"\n", 1)
        return line + b"\n"
