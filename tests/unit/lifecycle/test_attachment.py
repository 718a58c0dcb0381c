"""What is installed for a group, and taken off again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.lifecycle.recorder import recording

if TYPE_CHECKING:
    from pathlib import Path


def test_several_groups(tmp_path: Path) -> None:
    """Each saves when its own settings ask for it; one that is gone is not kept alive."""
    source = """
        one, two, gone = Recorder(), Recorder(signals=("SIGUSR1",), atexit_saving=False), Recorder()
        kept = [attach(one), attach(two), attach(gone)]
        del gone
        signal.signal(signal.SIGUSR1, lambda *a: say("handler"))
        kept[1].verify()
        os.kill(os.getpid(), signal.SIGUSR1)
        say(len(two.saves), len(one.saves))
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "save signal:SIGUSR1\nhandler\n1 0\nsave exit\n", ended.stderr


def test_the_last_one_leaves_nothing_behind(tmp_path: Path) -> None:
    """Handlers, threads and the wakeup descriptor are as they were."""
    source = """
        before = [signal.getsignal(n) for n in signal.valid_signals()]
        def handler(*a): pass
        def threads(left):
            deadline = time.monotonic() + 60
            while threading.active_count() > left and time.monotonic() < deadline:
                time.sleep(0.01)
            return threading.active_count()
        signal.signal(signal.SIGTERM, handler)
        groups = [Recorder(periodic_saving=True, periodic_saving_interval=60) for _ in range(2)]
        attached = [attach(group) for group in groups]
        attached[0].detach()
        say(signal.getsignal(signal.SIGTERM) is handler, threads(3))
        attached[1].detach()
        say(signal.getsignal(signal.SIGTERM) is handler, threads(1), signal.set_wakeup_fd(-1))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        say(before == [signal.getsignal(n) for n in signal.valid_signals()])
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "False 3\nTrue 1 -1\nTrue\n", ended.stderr


def test_a_handler_that_was_replaced_is_chained_to(tmp_path: Path) -> None:
    """Until then problems() says so; however often it happens, every handler is called once."""
    source = """
        group = Recorder(); attachment = attach(group)
        for n in range(3):
            def handler(signum, frame, old=signal.getsignal(signal.SIGTERM), n=n):
                say("handler", n)
                if n: old(signum, frame)
            signal.signal(signal.SIGTERM, handler)
            if n == 0: say(*attachment.problems())
            attachment.verify(); attachment.verify()
        say(attachment.problems())
        os.kill(os.getpid(), signal.SIGTERM)
    """
    lines = recording(tmp_path, source).run().stdout.splitlines()
    assert lines[0] == "SIGTERM: another handler replaced ours; the next update() chains to it"
    assert lines[1:] == ["()", "save signal:SIGTERM", "handler 2", "handler 1", "handler 0", "save exit"]


def test_the_wakeup_descriptor_of_somebody_else(tmp_path: Path) -> None:
    """It is left alone, and said; when it is given up it is ours."""
    source = """
        r, w = os.pipe(); os.set_blocking(w, False)
        signal.set_wakeup_fd(w)
        group = Recorder(); attachment = attach(group)
        say(*attachment.problems())
        say(signal.set_wakeup_fd(-1) == w)
        attachment._look_again = 0.0  # as a second later
        attachment.verify()
        say(attachment.problems(), signal.set_wakeup_fd(-1) not in (-1, w))
    """
    lines = recording(tmp_path, source).run().stdout.splitlines()
    assert "another library watches signals" in lines[0]
    assert lines[1:3] == ["True", "() True"]


def test_signals_that_cannot_be_served(tmp_path: Path) -> None:
    """A handler from C is left alone; problems() and one warning say so."""
    source = """
        import faulthandler
        faulthandler.register(signal.SIGUSR2)
        attachment = attach(Recorder(signals=("SIGUSR2", "SIGTERM")))
        say(*attachment.problems())
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "SIGUSR2: left to a handler that was installed from C (faulthandler, a library)\n"
    assert ended.stderr.count("SIGUSR2") == 1


def test_a_save_that_raises_is_told(tmp_path: Path) -> None:
    """Nothing of ours surfaces in the program, not even an exit; what stood there before is called."""
    source = """
        class Bad(Recorder):
            def save_now(self, reason, notes=()): raise SystemExit("no")
        signal.signal(signal.SIGTERM, lambda *a: say("handler"))
        bad, good = Bad(), Recorder()
        attached = attach(bad), attach(good)
        os.kill(os.getpid(), signal.SIGTERM)
        say("alive")
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "save signal:SIGTERM\nhandler\nalive\nsave exit\n"
    assert ended.stderr.startswith("lattice: the save (signal:SIGTERM) failed: SystemExit: no\n")
    assert ended.returncode == 0


def test_a_glance_sees_a_handler_that_was_replaced(tmp_path: Path) -> None:
    """With one, three or more signals: the very next one chains to it; nothing is done where nothing changed."""
    source = """
        for names in ("SIGTERM",), ("SIGHUP", "SIGUSR1", "SIGTERM"), ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM"):
            group = Recorder(signals=names); attachment = attach(group)
            for _ in range(100):
                attachment.glance()
            signal.signal(signal.SIGTERM, lambda *a: say("handler"))
            attachment.glance()
            os.kill(os.getpid(), signal.SIGTERM)
            attachment.detach()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "save signal:SIGTERM\nhandler\n" * 3, ended.stderr


def test_the_wakeup_descriptor_is_looked_at_once_in_a_while(tmp_path: Path) -> None:
    """A program that does nothing but quick updates gets it back, too."""
    source = """
        group = Recorder(); attachment = attach(group)
        signal.set_wakeup_fd(-1)
        attachment._look_again = 0.0  # as a second later
        for _ in range(100): attachment.glance()
        say(signal.set_wakeup_fd(-1) != -1)
    """
    assert recording(tmp_path, source).run().stdout == "True\nsave exit\n"


def test_an_update_chains_to_a_handler_that_was_replaced_just_before(tmp_path: Path) -> None:
    """Also the quick one, of a slot that has a value."""
    source = """
        from lattice_addons import Settings, StateManagerGroup
        group = StateManagerGroup(Settings(root="store", job_id="job"))
        group.register("n")
        for n in range(5):
            group.update("n", n)
        signal.signal(signal.SIGTERM, lambda *a: say("handler", group.save().reason))
        group.update("n", 5)
        os.kill(os.getpid(), signal.SIGTERM)
        say(group._session.stored.newest.number)
    """
    ended = recording(tmp_path, source).run()
    assert ended.stdout == "handler manual\n2\n", ended.stderr


def test_a_signal_that_waits_is_not_lost_with_the_last_one(tmp_path: Path) -> None:
    """What came inside a section takes effect when the last saver is detached there."""
    source = """
        group = Recorder()
        attachment = attach(group)
        with group.gate:
            os.kill(os.getpid(), signal.SIGTERM)
            attachment.detach()
        say("not ended")
    """
    ended = recording(tmp_path, source).run()
    assert (ended.returncode, ended.stdout) == (-15, ""), ended.stderr
