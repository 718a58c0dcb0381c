"""A real Jupyter kernel: its cells are run, and it is interrupted, killed and shut down as a notebook's is."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 120


@dataclass
class Ran:
    """What a cell has shown: what was printed, what its last expression is, and the error that ended it."""

    printed: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def html(self) -> str:
        """Give the last of what it showed as HTML."""
        return str(self.shown[-1]["text/html"])

    @property
    def text(self) -> str:
        """Give all of it as a terminal shows it."""
        return self.printed + "".join(f"{each['text/plain']}\n" for each in self.shown)


class Kernel:
    """A kernel in a folder, with a client as a notebook has one."""

    def __init__(self, folder: Path, **environ: str) -> None:
        # Sockets that are files, whose paths must be short: no port can be another one's.
        self._own = tempfile.TemporaryDirectory(prefix="kernel")
        own = self._own.name
        here = {"IPYTHONDIR": own, "JUPYTER_RUNTIME_DIR": own, "JUPYTER_PLATFORM_DIRS": "1"}
        self.manager = KernelManager(transport="ipc", connection_file=f"{own}/kernel.json")
        self.manager.start_kernel(cwd=str(folder), env=clean_environ(**here, **environ))
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=_PATIENCE)

    @property
    def pid(self) -> int:
        """Give its process number."""
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]  # it is running

    def run(self, cell: str) -> Ran:
        """Run a cell to its end, however it ends."""
        ran = Ran()

        def take(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                ran.printed += content["text"]
            elif message["msg_type"] in ("execute_result", "display_data"):
                ran.shown.append(content["data"])
            elif message["msg_type"] == "error":
                ran.error = f"{content['ename']}: {content['evalue']}"

        self.client.execute_interactive(cell, timeout=_PATIENCE, output_hook=take, allow_stdin=False)
        return ran

    def good(self, cell: str) -> Ran:
        """Run a cell that must end well."""
        ran = self.run(cell)
        assert not ran.error, f"{cell}\n{ran.error}\n{ran.printed}"
        return ran

    def interrupted(self, cell: str) -> Ran:
        """Run a cell that says "begun" and goes on; interrupt it then."""
        ran = Ran()
        begun = False

        def take(message: dict[str, Any]) -> None:
            nonlocal begun
            content = message["content"]
            if message["msg_type"] == "stream":
                ran.printed += content["text"]
                if not begun and "begun" in ran.printed:
                    begun = True
                    self.manager.interrupt_kernel()
            elif message["msg_type"] == "error":
                ran.error = content["ename"]

        self.client.execute_interactive(cell, timeout=_PATIENCE, output_hook=take, allow_stdin=False)
        return ran

    def kill(self) -> None:
        """Kill it as the kernel's out-of-memory killer does."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for its end."""
        os.kill(self.pid, number)
        deadline = time.monotonic() + _PATIENCE
        while self.manager.is_alive():
            assert time.monotonic() < deadline, f"still alive after {number.name}"
            time.sleep(0.02)

    def restart(self) -> None:
        """Restart it as the notebook's button does: it is asked to end, and a new one takes its place."""
        self.client.stop_channels()
        self.manager.shutdown_wait_time = _PATIENCE
        self.manager.restart_kernel()
        self._connect()

    def close(self) -> None:
        """Shut it down as the end of a notebook does, and wait for its end."""
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_wait_time = _PATIENCE
            self.manager.shutdown_kernel()
        else:
            self.manager.cleanup_resources()
        self._own.cleanup()


@contextmanager
def kernel(folder: Path, **environ: str) -> Iterator[Kernel]:
    """Give a kernel that has ended when the block has."""
    made = Kernel(folder, **environ)
    try:
        yield made
    finally:
        made.close()
