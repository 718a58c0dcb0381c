"""Children neither save over their parent nor disturb it, however they are made."""

from __future__ import annotations

import ctypes
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from lattice_addons.lifecycle import end_thread, start_thread
from tests.faults.ending import ending, kept, reasons, same_as_without, start_command
from tests.program import Program, finish, wait_for

FORKED = {
    "sys.exit": "sys.exit(3)",
    "an exception": "1 / 0",
    "os._exit": "os._exit(3)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGTERM by the program's handler": "signal.signal(15, old); os.kill(os.getpid(), signal.SIGTERM)",
    "an update and a save": "value['n'] = 1; 'ours' in sys.argv and (group.update('value', value), group.save())",
    "the end": "pass",
}


# What each Python does at a fork is tried on all of them; the other ends of a child on one.
EVERYWHERE = ("sys.exit", "SIGTERM")


@pytest.mark.parametrize(
    "how",
    [pytest.param(how, marks=[pytest.mark.every_python] * (how in EVERYWHERE)) for how in FORKED],
)
def test_a_forked_child(tmp_path: Path, how: str) -> None:
    """It ends as without us, has no hooks and no threads of ours, and the parent's save is the only one."""
    body = f"""
        old = signal.getsignal(signal.SIGTERM) if "plain" in sys.argv else signal.SIG_DFL
        if os.fork() == 0:
            print(signal.getsignal(signal.SIGTERM), threading.active_count(), signal.set_wakeup_fd(-1), flush=True)
            value["n"] = "the child's"
            {FORKED[how]}
            sys.exit(0)
        print(os.wait()[1], flush=True)
    """
    program = ending(tmp_path, body)
    same_as_without(program)
    assert reasons(program) == ["exit"]
    assert kept(program) == "{'n': 7}"


def test_a_child_forked_inside_an_atomic_block(tmp_path: Path) -> None:
    """It leaves the block as usual, and can enter others."""
    body = """
        def fork():
            if os.fork() == 0:
                return True
            print(os.wait()[1], flush=True)
        with group.atomic():
            child = fork()
        if child:
            with group.atomic():
                os._exit(4)
    """
    program = ending(tmp_path, body)
    assert program.run().stdout == f"{4 << 8}\n"
    assert kept(program) == "{'n': 7}"


@pytest.mark.every_python
def test_a_fork_while_another_thread_is_inside(tmp_path: Path) -> None:
    """The child does not wait for a thread that it does not have; the parent's signals still work."""
    body = """
        inside, leave = threading.Event(), threading.Event()
        def stay():
            with group.atomic():
                inside.set(); leave.wait()
        threading.Thread(target=stay).start(); inside.wait()
        if os.fork() == 0:
            with group.atomic():
                os._exit(4)
        print(os.wait()[1], flush=True)
        leave.set()
        os.kill(os.getpid(), signal.SIGTERM)
    """
    program = ending(tmp_path, body)
    ended = program.run(python=["-W", "ignore"])
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, f"{4 << 8}\n"), ended.stderr
    assert reasons(program) == ["signal:SIGTERM"]


@pytest.mark.every_python
def test_a_fork_warns_of_no_threads_of_ours(tmp_path: Path) -> None:
    """Where Python warns of a fork with threads, ours are not there; after it they are."""
    body = """
        import warnings
        from lattice_addons.lifecycle import _fork
        _fork._PATIENCE = 100  # who removes leavings just now may wait for the disk
        warnings.simplefilter("error")
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        names = {t.name for t in threading.enumerate()}
        print(sorted(names - {"lattice-tidy"}))  # it comes and goes
    """
    program = ending(tmp_path, body)
    ended = program.run(config="periodic_saving=enabled,periodic_saving_interval=60")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "['MainThread', 'lattice-periodic', 'lattice-watcher']\n"


def test_a_thread_that_was_ended_has_ended_for_the_system() -> None:
    """Else Python would warn at a fork of one that the system takes its time over."""
    libc, late = ctypes.CDLL(None), ctypes.c_uint()
    assert libc.pthread_key_create(ctypes.byref(late), libc.usleep) == 0
    ends_late = partial(libc.pthread_setspecific, late, ctypes.c_void_p(200_000))
    thread = start_thread(ends_late, "lattice-late")
    end_thread(thread, 100)
    assert not Path(f"/proc/self/task/{thread.native_id}").exists()
    assert libc.pthread_key_delete(late) == 0


MULTIPROCESSING = """
    import multiprocessing
    from lattice_addons import StateManagerGroup
    group = StateManagerGroup()
    group.register("value")
    def work(n):
        group.update("value", n)
        group.save()
        return *group.status().problems, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    import signal, sys
    if __name__ == "__main__":
        if sys.argv[1] == "read":
            print(group.get("value"))
            sys.exit()
        group.update("value", "parent")
        context = multiprocessing.get_context(sys.argv[1])
        with context.Pool(2) as pool:
            print(set(pool.map(work, range(4))))
        process = context.Process(target=sys.exit, args=(3,))
        process.start(); process.join()
        print(process.exitcode)
"""


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=pytest.mark.every_python), "spawn", "forkserver"]
)
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    """Workers save nothing, say why, and have no hooks."""
    program = Program(tmp_path, MULTIPROCESSING)
    ended = program.run(method)
    assert ended.returncode == 0, ended.stderr
    told, status = ended.stdout.splitlines()
    assert "nothing is saved: " in told
    assert "True" in told
    assert status == "3"
    assert reasons(program) == ["exit"]
    assert program.run("read").stdout == "parent\n"


def test_a_process_pool(tmp_path: Path) -> None:
    """The workers of concurrent.futures are of the same kind."""
    body = """
        from concurrent.futures import ProcessPoolExecutor
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(sorted(pool.map(abs, [-1, -2])))
    """
    program = ending(tmp_path, body)
    assert same_as_without(program).stdout == "[1, 2]\n"
    assert reasons(program) == ["exit"]


def test_the_same_program_as_a_subprocess(tmp_path: Path) -> None:
    """A program that starts itself again does not write its parent's job."""
    body = """
        import subprocess
        if "child" in sys.argv:
            value["n"] = "the child's"
            print(*group.status().problems)
        else:
            print(subprocess.run([sys.executable, __file__, "child"], stdout=subprocess.PIPE, text=True).stdout)
    """
    program = ending(tmp_path, body)
    ended = program.run()
    assert "nothing is saved: a child of process" in ended.stdout, ended.stderr
    assert reasons(program) == ["exit"]
    assert kept(program) == "{'n': 7}"


def test_another_program_as_a_subprocess(tmp_path: Path) -> None:
    """It has a job of its own, and its signals have no effect on its parent."""
    other = ending(tmp_path, "value['n'] = 8; os.kill(os.getpid(), 15)")
    other.path.rename(tmp_path / "other.py")
    body = "import subprocess; print(subprocess.run([sys.executable, 'other.py']).returncode)"
    program = ending(tmp_path, body)
    assert program.run().stdout == f"{-signal.SIGTERM}\n"
    assert reasons(program) == ["exit"]
    assert kept(program) == "{'n': 7}"
    assert (tmp_path / ".lattice" / "other").is_dir()


def test_a_pytest_run(tmp_path: Path) -> None:
    """Code under test that uses the process's group neither saves nor loads."""
    program = ending(tmp_path, "")
    assert program.run().returncode == 0
    test = "import program\ndef test(): assert program.group.get('value') == {'n': 7}; print(program.group.status())\n"
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    process = start_command(
        program,
        [sys.executable, *["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_it.py"]],
        # Plugins that are installed here would only take their time.
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    ended = finish(process)
    assert ended.returncode == 0, ended.stdout
    assert "nothing is saved: pytest run" in ended.stdout
    assert reasons(program) == ["exit"]
    assert [folder.name for folder in program.root.iterdir() if folder.is_dir()] == ["program"]


SERVED = """
    from lattice_addons import StateManagerGroup
    group = StateManagerGroup()
    group.register("hits")
    hits = group.get("hits") or [0]
    group.update("hits", hits)
"""
ASGI = """
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        hits[0] += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(hits[0]).encode()})
"""
WSGI = """
    def app(environ, start_response):
        hits[0] += 1
        start_response("200 OK", [])
        return [str(hits[0]).encode()]
"""


def ask(socket_path: Path) -> str:
    """Send a request to a server, as soon as it listens; give the body."""
    import socket
    import time

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(socket_path))
                connection.settimeout(120)
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := connection.recv(4096):
                    answer += piece
                return answer.rpartition(b"\r\n\r\n")[2].decode()
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.02)
    raise AssertionError("the server does not answer")


@pytest.mark.parametrize(
    ("command", "source", "status"),
    [
        (["-m", "uvicorn", "program:app", "--uds", "socket", "--log-level", "error"], ASGI, -signal.SIGTERM),
        (["-m", "gunicorn", "program:app", "-b", "unix:socket", "--log-level", "error"], WSGI, 0),
    ],
    ids=["uvicorn", "gunicorn"],
)
def test_a_server(tmp_path: Path, command: list[str], source: str, status: int) -> None:
    """It stops in its own graceful way on SIGTERM, and carries on counting."""
    program = Program(tmp_path, SERVED + source)
    for hits in ("1", "2"):
        (tmp_path / "socket").unlink(missing_ok=True)
        process = start_command(program, [sys.executable, *command], LATTICE_JOB_ID="program")
        assert ask(tmp_path / "socket") == hits
        process.send_signal(signal.SIGTERM)
        ended = finish(process)
        # Newer versions of uvicorn raise the signal again at their end.
        assert ended.returncode in (status, 0), ended.stderr
        assert "Traceback" not in ended.stderr


def test_ipython(tmp_path: Path) -> None:
    """A session saves when it is left, and an error in it is no end."""
    typed = "from lattice_addons import StateManagerGroup\nv = {'n': 7}\ng = StateManagerGroup()\n"
    typed += "g.register('value')\ng.update('value', v)\n1 / 0\nv['n'] = 8\n"
    program = ending(tmp_path, "")
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"]
    process = start_command(program, command, IPYTHONDIR=str(tmp_path / "ipython"), TERM="dumb")
    output, errors = process.communicate(typed, timeout=150)
    assert process.returncode == 0, errors
    assert "ZeroDivisionError" in output + errors
    (manifest,) = (tmp_path / ".lattice" / "interactive").rglob("checkpoints/*.json")
    assert '"exit"' in manifest.read_text(encoding="utf-8")


def test_sigterm_to_ipython(tmp_path: Path) -> None:
    """The signal saves and ends the session."""
    typed = "from lattice_addons import StateManagerGroup\ng = StateManagerGroup(); g.register('value')\n"
    typed += "g.update('value', 5)\nprint('ready')\n"
    program = ending(tmp_path, "")
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--quick"]
    process = start_command(program, command, IPYTHONDIR=str(tmp_path / "ipython"), TERM="dumb")
    assert process.stdin is not None
    process.stdin.write(typed)
    process.stdin.flush()
    wait_for(process, "In [4]: ready")
    process.send_signal(signal.SIGTERM)
    assert finish(process).returncode == -signal.SIGTERM
    (manifest,) = (tmp_path / ".lattice" / "interactive").rglob("checkpoints/*.json")
    assert '"signal:SIGTERM"' in manifest.read_text(encoding="utf-8")
