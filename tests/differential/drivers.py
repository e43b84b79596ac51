"""One driver process per runtime; a crash or a hang of one is an answer too."""

import json
import os
import select
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 30  # seconds for one schedule


def parts():
    """Where the fetched runtimes are; ARTCHECK_PARTS names another place, as for the tests."""
    named = os.environ.get("ARTCHECK_PARTS")
    return Path(named) if named else Path.home() / ".cache" / "artcheck" / "parts"


class Driver:
    """A runtime that answers schedules, restarted whenever it dies."""

    def __init__(self, release):
        self.release = release
        self.python = parts() / "venv" / f"tvm-{release}" / "bin" / "python"
        self.process = None

    def start(self):
        self.folder = tempfile.TemporaryDirectory(prefix="artcheck-differential-")
        self.unread = b""
        self.process = subprocess.Popen(
            [str(self.python), str(HERE / "driver.py")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.folder.name)

    def stop(self):
        if self.process is not None:
            self.process.kill()
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
                results.append(json.loads(line))
        except BrokenPipeError:
            line = b""
        if line != b".\n":
            results.append({"ended": self.ended(line)})
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

    def ended(self, line):
        if line is None:
            return "no answer"
        code = self.process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit {code}"
