"""The command line as a user of his own would run it: own home, own state, own sockets, real processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from ganger.cli.documents import Document
from tests.processes import PATIENCE_S, ROOT, eventually, family, is_alive, wait_gone

ANYWHERE = "127.0.0.1:0"
DocumentT = TypeVar("DocumentT", bound=Document)


def pause(duration_s: float) -> float:
    """A task that takes its time."""
    time.sleep(duration_s)
    return duration_s


def free_port() -> int:
    """A port of this machine that nobody listens on at present."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


class Ended:
    """A command that has run to its end."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[str]:
        """Its data, line by line."""
        return self.out.splitlines()

    def document(self, schema: type[DocumentT]) -> DocumentT:
        """Its data, by the schema that is documented, and with nothing that the schema does not know."""
        found = msgspec.json.decode(self.out, type=schema)
        assert msgspec.to_builtins(found) == msgspec.json.decode(self.out)
        return found

    def check_error(self, code: int, words: str) -> None:
        """It ended with this code, and an error line with these words; a hint, no traceback."""
        assert self.code == code, f"{self.code} and not {code}:\n{self.out}\n{self.err}"
        shown = [line for line in self.err.splitlines() if line.startswith(("error: ", "hint: "))]
        assert shown
        assert shown[0].startswith("error: ")
        assert words in shown[0]
        assert len(shown) == 2, f"one line and one hint: {self.err}"
        assert "Traceback" not in self.err


class Running:
    """A command in the foreground of a terminal of its own: what Ctrl-C there reaches is its process group.

    Args:
        process: What was started.
        log: The file that its stderr goes to.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.family: list[psutil.Process] = []

    def read_line(self) -> str:
        """The next line of its data; then takes down every process that it consists of."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line, f"it said nothing: {self.err}"
        self.family = family(self.process.pid)
        return line

    @property
    def err(self) -> str:
        """What it has logged so far."""
        return self.log.read_text()

    def wait_log(self, pattern: str) -> re.Match[str]:
        """Waits until it has logged this."""
        return eventually(f"{pattern} in {self.log}", lambda: re.search(pattern, self.err, re.MULTILINE))

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> Ended:
        """Waits for its end."""
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return Ended(self.process.returncode, out, self.err)

    def stop(self) -> Ended:
        """Ctrl-C, and waits until every process of it is gone."""
        if self.process.poll() is None:
            self.family = family(self.process.pid)
            self.interrupt()
        ended = self.wait()
        wait_gone(self.family)
        return ended

    def close(self) -> None:
        """Ends what a failed test has left."""
        if self.process.poll() is None:
            self.family = family(self.process.pid)
            self.process.kill()
        self.process.communicate()
        for each in self.family:
            if is_alive(each):
                each.kill()


class Commands:
    """A user who has nothing yet but a shell."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="cli-"))  # short: sockets lie below it
        self.sockets = self.home / "run"
        self.sockets.mkdir(mode=0o700)
        self.variables = {
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_RUNTIME_DIR": str(self.sockets),
        }
        self._started: list[Running] = []

    @property
    def state(self) -> Path:
        """The user's state folder."""
        return self.home / "state" / "ganger"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GANGER_")}
        return {**kept, **self.variables, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}

    def run(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Ended:
        """Runs a command to its end."""
        ended = subprocess.run(
            [sys.executable, "-m", "ganger", *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=cwd or self.home,
            env={**self.environment, **variables},
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *arguments: str, **variables: str) -> Running:
        """Starts a command in the foreground."""
        log = self.home / f"{len(self._started)}-{arguments[0]}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "ganger", *arguments],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
                cwd=self.home,
                env={**self.environment, **variables},
            )
        running = Running(process, log)
        self._started.append(running)
        return running

    def up(self, *arguments: str) -> tuple[Running, str]:
        """`ganger up` on a free port, ready to work; and its address."""
        listen = () if "--listen" in arguments else ("--listen", ANYWHERE)
        running = self.start("up", "-o", "quiet", *listen, *arguments)
        address = running.read_line()
        running.wait_log("worker .* is ready")
        return running, address

    def master(self, *arguments: str) -> tuple[Running, str]:
        """`ganger master` on a free port, and its address."""
        listen = () if "--listen" in arguments else ("--listen", ANYWHERE)
        running = self.start("master", "-o", "quiet", *listen, *arguments)
        return running, running.read_line()

    def worker(self, address: str, *arguments: str) -> tuple[Running, str]:
        """`ganger worker`, ready to work, and its name."""
        running = self.start("worker", "-o", "quiet", "--join", address, "--slots", "1", *arguments)
        return running, running.read_line()

    def check_nothing_left(self) -> None:
        """No socket, no address, no draft: the journal and the secret may stay."""
        assert list(self.sockets.iterdir()) == []
        assert {path.name for path in self.state.glob("*")} <= {"journal", "secret"}

    def close(self) -> None:
        """Ends what was started, and removes the home."""
        for running in self._started:
            running.close()
        shutil.rmtree(self.home)
