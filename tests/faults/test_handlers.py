"""Handlers of the program's and its libraries' are called as they would be without us."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.ending import ending, kept, reasons, same_as_without
from tests.program import finish

if TYPE_CHECKING:
    from pathlib import Path

KILL = "os.kill(os.getpid(), signal.SIGTERM)"


# What the program has its own handler do.
HANDLERS = {
    "goes on": "print('handler', signum)",
    "exits": "sys.exit(5)",
    "raises": "raise LookupError(signum)",
    "ends at once": "os._exit(6)",
    "restores and re-raises": "signal.signal(signum, signal.SIG_DFL); os.kill(os.getpid(), signum)",
}


WHEN = ("before", "after", "after, and an update", "chained")
# Of each way and each time one, tried on all Pythons; the other pairs on one.
EVERYWHERE = (("goes on", "chained"), ("raises", "before"), ("exits", "after, and an update"))


@pytest.mark.parametrize(
    ("how", "when"),
    [
        pytest.param(how, when, marks=[pytest.mark.every_python] * ((how, when) in EVERYWHERE))
        for how in HANDLERS
        for when in WHEN
    ],
)
def test_a_handler_of_the_programs(tmp_path: Path, how: str, when: str) -> None:
    """It is called as without us, whether it was installed before the group was made or after; the value is safe."""
    install = f"def handler(signum, frame): {HANDLERS[how]}\nold = signal.signal(signal.SIGTERM, handler)"
    if when == "chained":
        # Calls what stood there before it, which is ours.
        install = install.replace(": ", ": callable(old) and old(signum, frame); ", 1)
        install = f"signal.signal(signal.SIGTERM, lambda signum, frame: print('first'))\nNEXT\n{install}"
    before, after = (install, "") if when == "before" else ("", install)
    if when == "chained":
        before, after = install.split("NEXT\n")
    if "update" in when or when == "chained":
        after += "\nif 'ours' in sys.argv: group.update('value', value)"
    program = ending(tmp_path, f"{after}\n{KILL}\ntime.sleep(0.3)\nprint('alive')", before)
    same_as_without(program)
    if when == "after":
        # Not chained yet: the watcher sees the signal, unless the process is gone before it can.
        assert reasons(program) or how in ("ends at once", "restores and re-raises")
    else:
        assert reasons(program)[0] == "signal:SIGTERM"
        assert kept(program) == "{'n': 7}"


@pytest.mark.every_python
def test_the_frame_that_a_handler_is_shown(tmp_path: Path) -> None:
    """It is the program's own, also where the signal waited for the end of a section."""
    before = "def handler(signum, frame): print(frame.f_code.co_name)\nsignal.signal(signal.SIGTERM, handler)"
    body = f"""
        def work():
            {KILL}
        def wait():
            with group.atomic():
                {KILL}
        work()
        wait()
    """
    assert ending(tmp_path, body, before).run().stdout == "work\nwait\n"


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """Under nohup a hang-up neither ends the program nor saves it."""
    program = ending(
        tmp_path, "os.kill(os.getpid(), signal.SIGHUP)\nprint(signal.getsignal(signal.SIGHUP).name)"
    )
    process = program.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    ended = finish(process)
    assert (ended.returncode, ended.stdout) == (0, "SIG_IGN\n")
    assert reasons(program) == ["exit"]


def test_a_handler_from_c_is_left_alone(tmp_path: Path) -> None:
    """To Python it looks like the default; it is not replaced, and status() says so."""
    before = "import faulthandler\nfaulthandler.register(signal.SIGUSR1, chain=False)"
    program = ending(
        tmp_path, "os.kill(os.getpid(), signal.SIGUSR1)\nprint(*group.status().problems)", before
    )
    ended = program.run(config="signals=SIGUSR1")
    assert ended.returncode == 0
    assert "SIGUSR1: left to a handler that was installed from C" in ended.stdout
    assert "Current thread" in ended.stderr  # what faulthandler does


def test_a_blocked_signal_is_reported(tmp_path: Path) -> None:
    """It takes effect when it is unblocked; until then status() says so, and one warning did."""
    before = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])"
    body = (
        f"{KILL}\nprint(*group.status().problems, flush=True)\nsignal.pthread_sigmask(signal.SIG_SETMASK, [])"
    )
    program = ending(tmp_path, body, before)
    ended = program.run()
    assert ended.returncode == -signal.SIGTERM
    assert "SIGTERM: blocked" in ended.stdout
    assert ended.stderr.count("SIGTERM: blocked") == 1
    assert reasons(program) == ["signal:SIGTERM"]


def test_a_group_made_in_a_thread(tmp_path: Path) -> None:
    """No thread but the main one can take signals: one warning and status() say so, until an update there."""
    body = """
        from lattice_addons import Settings
        made = []
        def make():
            made.append(StateManagerGroup(Settings(job_id="thread")))
        t = threading.Thread(target=make); t.start(); t.join()
        print(*made[0].status().problems)
        made[0].register("x"); made[0].update("x", 1)
        print(*made[0].status().problems)
    """
    ended = ending(tmp_path, body).run(config="signals=none")
    assert ended.returncode == 0, ended.stderr
    first, then = ended.stdout.splitlines()
    assert "not taken outside the main thread" in first
    assert then == ""
    assert ended.stderr.count("not taken outside the main thread") == 1


ASYNC = {
    "plain": ("await asyncio.sleep(60)", "asyncio.run(main())"),
    "a handler of the loop": (
        "asyncio.get_running_loop().add_signal_handler(15, stop.set); await asyncio.wait_for(stop.wait(), 60)",
        "stop = asyncio.Event(); asyncio.run(main()); print('graceful')",
    ),
    "a handler and an update": (
        """asyncio.get_running_loop().add_signal_handler(15, stop.set)
    group.update('value', value)
    await asyncio.wait_for(stop.wait(), 60)""",
        "stop = asyncio.Event(); asyncio.run(main()); print('graceful')",
    ),
    "after a loop": ("pass", f"asyncio.run(main()); group.update('value', value); {KILL}"),
}


@pytest.mark.every_python
@pytest.mark.parametrize("how", ASYNC)
def test_asyncio(tmp_path: Path, how: str) -> None:
    """The loop's own handlers work as without us; what replaced ours is chained to at the next update."""
    inside, run = ASYNC[how]
    first = (
        "add_signal_handler(15, print)"
        if how == "after a loop"
        else "call_later(0.05, os.kill, os.getpid(), 15)"
    )
    body = f"async def main():\n    asyncio.get_running_loop().{first}\n    {inside}\n{run}"
    program = ending(tmp_path, body)
    ended = program.run()
    graceful = "a handler" in how
    assert ended.stdout == ("graceful\n" if graceful else ""), ended.stderr
    assert ended.returncode == (0 if graceful else -signal.SIGTERM)
    assert reasons(program)[0] == ("exit" if how == "a handler of the loop" else "signal:SIGTERM")
    assert kept(program) == "{'n': 7}"


@pytest.mark.every_python
def test_ctrl_c_under_asyncio(tmp_path: Path) -> None:
    """Asyncio's own cancelling on Ctrl-C is as without us."""
    body = """
        async def main():
            asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(60)
            finally:
                print("cleaned up")
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """
    assert same_as_without(ending(tmp_path, body)).stdout == "cleaned up\ninterrupted\n"
