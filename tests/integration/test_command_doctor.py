"""``lattice doctor`` finds what is wrong with a real machine, store and program, and says what to do."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.service import Tokens
from lattice_addons.storage import LocalStore
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


def doctor(folder: Path, *words: str, status: int = 0, **given: object) -> dict[str, list[dict[str, str]]]:
    """Give what it has found, by the name of the check."""
    environ = {name: str(value) for name, value in given.items() if name.isupper()}
    start = {name: value for name, value in given.items() if not name.isupper()}
    done = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-m", "lattice_addons.cli", "doctor", "--json", *words],
        cwd=folder,
        env=clean_environ(**environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **start,
    )
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, list[dict[str, str]]] = {}
    for check in json.loads(done.stdout):
        assert check["state"] in ("ok", "warning", "problem")
        assert bool(check["todo"]) == (check["state"] != "ok"), check
        found.setdefault(check["name"], []).append(check)
    return found


def states(found: dict[str, list[dict[str, str]]], name: str) -> set[str]:
    """Give how a check came out."""
    return {check["state"] for check in found[name]}


def test_where_all_is_well_nothing_is_wrong(tmp_path: Path) -> None:
    """Before there is a store, and with one; nothing is left behind."""
    found = doctor(tmp_path)
    assert {"settings", "versions", "disk", "signals", "exits", "kills", "store"} <= set(found)
    assert list(tmp_path.iterdir()) == []
    group = StateManagerGroup(Settings(root=str(tmp_path / ".lattice"), job_id="job", signals=()))
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    before = sorted(tmp_path.rglob("*"))
    found = doctor(tmp_path)
    assert states(found, "rights") == states(found, "clock") == states(found, "store") == {"ok"}
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_that_cannot_be_and_that_mean_nothing(tmp_path: Path) -> None:
    """A variable that is almost one of ours is told with the right name, any other with all that there are."""
    found = doctor(tmp_path, status=1, LATTICE_CHECKPOINT_CONFIG="kep=3")
    assert "did you mean 'keep'" in found["settings"][0]["found"]
    found = doctor(tmp_path, LATTICE_CHECKPOINT_CONFG="keep=3")
    assert found["settings"][1]["todo"] == "did you mean LATTICE_CHECKPOINT_CONFIG?"
    found = doctor(tmp_path, LATTICE_FLOW="1")
    assert "LATTICE_CHECKPOINT_CONFIG" in found["settings"][1]["todo"]
    found = doctor(tmp_path, status=1, LATTICE_DISABLE="1")
    assert "problem" in states(found, "settings")


def test_damage_and_rights(tmp_path: Path) -> None:
    """A newest manifest that cannot be read; a store into which others can write pickles."""
    group = StateManagerGroup(Settings(root=str(tmp_path / ".lattice"), job_id="job", signals=()))
    group.register("n")
    group.update("n", 1)
    group.save()
    group.close()
    (tmp_path / ".lattice").chmod(0o777)
    found = doctor(tmp_path)
    assert "chmod" in next(check["todo"] for check in found["rights"] if check["state"] == "warning")
    for manifest in tmp_path.rglob("checkpoints/*.json"):
        manifest.write_text("{")
    found = doctor(tmp_path, status=1)
    assert "lattice verify job" in next(
        check["todo"] for check in found["store"] if check["state"] == "problem"
    )


def test_signals_that_are_held_back(tmp_path: Path) -> None:
    """Inherited from whoever started it: ignored, as under nohup, and blocked."""

    def hold_back() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    found = doctor(tmp_path, status=1, preexec_fn=hold_back)
    told = {check["state"]: check["found"] for check in found["signals"]}
    assert "SIGTERM is blocked" in told["problem"]
    assert "SIGHUP is ignored" in told["warning"]
    assert "SIGXCPU" in told["ok"]


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with what to start."""
    found = doctor(tmp_path, "--root", "lattice://127.0.0.1:9", status=1)
    assert "does not answer" in found["service"][0]["found"]
    assert "lattice serve" in found["service"][0]["todo"]


def test_what_is_no_service_at_all(tmp_path: Path) -> None:
    """Something else listens at the port, such as a service that is to be asked by https."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                        peer.recv(1 << 16)  # what is closed with this unread may take back what was sent

        threading.Thread(target=greet, daemon=True).start()
        found = doctor(tmp_path, "--root", f"lattice://127.0.0.1:{server.getsockname()[1]}", status=1)
        with suppress(OSError):  # macOS: nobody is connected to what listens
            server.shutdown(socket.SHUT_RDWR)
    assert "speaks no HTTP" in found["service"][0]["found"]
    assert "opt.tls=true" in found["service"][0]["todo"]


SLOT = "g = StateManagerGroup(); g.register('n'); g.update('n', 1)"


def test_a_service_that_asks_for_a_token(tmp_path: Path) -> None:
    """It is well, and what is lacking is said; with the token all is, or for one of some jobs all but what is asked."""
    command = [sys.executable, "-m", "lattice_addons.cli"]
    root = str(tmp_path / "served")
    tokens = Tokens(LocalStore(root))
    token, some = (tokens.create(prefix, "write")[1] for prefix in ("*", "team-"))
    with subprocess.Popen(
        [*command, "serve", "--root", root, "--port", "0", "--require-tokens"],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as service:
        assert service.stdout is not None
        address = re.search(r"http://(127\.0\.0\.1:\d+)", service.stdout.readline())
        assert address is not None
        words = ("--root", f"lattice://{address[1]}")
        found = doctor(tmp_path, *words, status=1)
        assert found["service"][0]["state"] == "ok"
        assert "asks for a token" in found["service"][1]["found"]
        assert "lattice token create PREFIX --rights write" in found["service"][1]["todo"]
        config = f"spool={tmp_path}/spool"
        found = doctor(tmp_path, *words, LATTICE_CHECKPOINT_TOKEN=token, LATTICE_CHECKPOINT_CONFIG=config)
        assert states(found, "service") == states(found, "rights") == states(found, "clock") == {"ok"}
        environ: dict[str, Any] = {"LATTICE_CHECKPOINT_TOKEN": some, "LATTICE_CHECKPOINT_CONFIG": config}
        found = doctor(tmp_path, *words, **environ)
        assert (states(found, "service"), states(found, "rights")) == ({"ok"}, {"warning"})
        assert "LATTICE_JOB_ID=NAME lattice doctor" in found["rights"][0]["todo"]
        found = doctor(tmp_path, *words, status=1, **environ, LATTICE_JOB_ID="train")
        assert (states(found, "service"), states(found, "rights")) == ({"ok", "problem"}, {"problem"})
        assert "lattice token create train --rights write" in found["service"][1]["todo"]
        service.terminate()


# The command, which is their parent, sees all of it or nothing: so it does not wait, and has not waited too little.
READY = "os.kill(os.getppid(), signal.SIGSTOP); {}; os.kill(os.getppid(), signal.SIGCONT)".format
DEAF = f"{SLOT}; signal.signal(signal.SIGTERM, lambda *_: os._exit(0))"
PROGRAMS = {
    "good": (f"{READY(SLOT)}; time.sleep(60)", "ok", "SIGTERM it saved 1 slot (signal:SIGTERM)"),
    "ends": (SLOT, "ok", "it ended (status 0) and saved"),
    "stranger": ("time.sleep(60)", "problem", "has not begun to use Lattice"),
    "nothing": ("pass", "problem", "does not use Lattice"),
    "fails": ("sys.exit(3)", "problem", "status 3"),
    "deaf": (
        f"{READY(DEAF)}; time.sleep(60)",
        "problem",
        "it saved nothing",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_whether_a_program_would_save(name: str, tmp_path: Path) -> None:
    """It is started and stopped, and its real store is not touched."""
    source, state, told = PROGRAMS[name]
    program = tmp_path / "train.py"
    program.write_text(
        textwrap.dedent(
            f"import os, signal, sys, time\nfrom lattice_addons import StateManagerGroup\n{source}\n"
        )
    )
    wait = "3" if name == "stranger" else "60"
    after = "60" if name == "ends" else "0"
    words = ("--wait", wait, "--after", after, "--", sys.executable, str(program))
    found = doctor(tmp_path, *words, status=int(state == "problem"))
    (check,) = found["program"]
    assert check["state"] == state
    assert told in check["found"], check
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_lines_for_people(tmp_path: Path) -> None:
    """One a check, each with what to do where something is not right."""
    done = subprocess.run(
        [sys.executable, "-m", "lattice_addons.cli", "doctor"],
        cwd=tmp_path,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        state = line.split()[0]
        assert state in ("ok", "warning")
        assert (" → " in line) == (state != "ok")
    assert os.linesep in done.stdout
