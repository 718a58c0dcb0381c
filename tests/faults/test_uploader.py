"""The uploader finishes what is committed, however programs end, and then is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage.spool._process import is_running
from tests.faults.uploading import FOLDER, Remote, eventually, newest
from tests.program import finish, wait_for

if TYPE_CHECKING:
    from tests.integration.servers import Bucket

KILLED = "save(); os.kill(os.getpid(), signal.SIGKILL)"
WAITS = "save(); sys.stdin.readline()"


def test_finishes_what_a_killed_program_has_committed(tmp_path: Path, s3: Bucket) -> None:
    """A program that is killed right after a commit finds it in the remote store, and no process is left of it."""
    remote = Remote(tmp_path, s3, KILLED)
    assert remote.run().returncode == -signal.SIGKILL
    eventually(remote.is_up)
    eventually(lambda: not remote.uploader())
    assert remote.spool.claim(FOLDER) is None, "the next machine must wait for nothing"
    assert not [key for key in s3.keys("") if "/claims/" in key]


def test_a_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path, s3: Bucket) -> None:
    """All processes of the terminal's group get Ctrl-C; the upload goes on."""
    remote = Remote(tmp_path, s3, WAITS)
    s3.proxy.latency = 0.2
    process = remote.start(start_new_session=True)
    wait_for(process, "saved")
    os.killpg(process.pid, signal.SIGINT)
    assert finish(process).returncode == -signal.SIGINT
    eventually(remote.is_up)


def test_the_program_has_no_child(tmp_path: Path, s3: Bucket) -> None:
    """A program that waits for its children waits for its own alone, and has no open pipe more to it."""
    remote = Remote(tmp_path, s3, "save()\ntry:\n    os.wait()\nexcept ChildProcessError:\n    print('none')")
    assert "none" in remote.run().stdout


def test_nobody_who_reads_the_programs_output_waits_for_it(tmp_path: Path, s3: Bucket) -> None:
    """The uploader lives on, and has nothing open of what the program was given."""
    remote = Remote(tmp_path, s3, "s = save\ninput()\ns(); os._exit(3)", "linger=300")
    process = remote.start()
    wait_for(process, "begun")
    eventually(remote.uploader)
    s3.proxy.black_hole()
    output, _ = process.communicate("\n", timeout=150)
    assert (process.returncode, output) == (3, "saved\n")
    uploader = remote.uploader()
    assert uploader, "it was to outlive the program, or this test shows nothing"
    assert os.readlink(f"/proc/{uploader}/cwd") == "/"
    assert os.getsid(uploader) != os.getsid(0)
    os.kill(uploader, signal.SIGKILL)


def test_two_programs_share_one(tmp_path: Path, s3: Bucket) -> None:
    """Two jobs of one store have one spool and one uploader, which lives as long as one of them."""
    remote = Remote(tmp_path, s3, WAITS)
    environs = [remote.environ | {"LATTICE_JOB_ID": job} for job in ("one", "two")]
    first, second = (remote.program.start(environ=environ) for environ in environs)
    wait_for(first, "saved")
    wait_for(second, "saved")
    eventually(remote.uploader)
    uploader = remote.uploader()
    first.kill()
    first.communicate()
    eventually(
        lambda: {key.partition("/")[0] for key in s3.keys("") if "/checkpoints/" in key} == {"one", "two"}
    )
    assert remote.uploader() == uploader
    finish_line(second)
    eventually(lambda: not remote.uploader())


def finish_line(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Let a program that waits for a line end."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return finish(process)


def test_one_that_was_killed_is_replaced(tmp_path: Path, s3: Bucket) -> None:
    """The next save starts another one; at exit the wait does."""
    remote = Remote(tmp_path, s3, "save()\nfor line in sys.stdin:\n    save()", "grace=150")
    process = remote.start()
    wait_for(process, "saved")
    eventually(remote.uploader)
    first = remote.uploader()
    os.kill(first, signal.SIGKILL)
    # Not before the system has closed its files: until then it counts as running.
    eventually(lambda: not is_running(remote.spool.home))
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for(process, "saved")
    eventually(remote.uploader)
    second = remote.uploader()
    assert second != first
    os.kill(second, signal.SIGKILL)
    ended = finish(process)
    assert ended.returncode == 0
    assert "not yet" not in ended.stderr
    assert remote.is_up()


def test_never_outlives_linger(tmp_path: Path, s3: Bucket) -> None:
    """With a store that does not answer, it is gone in its time; what is not up can be sent by hand."""
    remote = Remote(tmp_path, s3, "save()\ninput()\nsave(); os.kill(os.getpid(), signal.SIGKILL)", "linger=1")
    process = remote.start()
    wait_for(process, "saved")
    eventually(remote.is_up)
    s3.proxy.black_hole()
    finish_line(process)
    eventually(lambda: not remote.uploader())
    log = Path(remote.spool.home, "uploader.log").read_text(encoding="utf-8")
    assert "there was no time for the rest" in log.splitlines()[-1], log
    assert not remote.is_up()
    s3.proxy.heal()
    done = lattice(remote, "upload", "--spool", remote.spool.home)
    assert done.returncode == 0, done.stderr
    assert remote.is_up()
    assert "all is there" in done.stdout


def lattice(remote: Remote, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the program's settings."""
    from tests.program import clean_environ

    command = [sys.executable, "-m", "lattice_addons.cli", *arguments]
    return subprocess.run(
        command, env=clean_environ(**remote.environ), capture_output=True, text=True, timeout=120, check=False
    )


def test_without_a_python_to_run_it_the_program_goes_on(tmp_path: Path, s3: Bucket) -> None:
    """A program that embeds Python has no interpreter to start: it is told so once, and saves all the same."""
    before = "sys.executable = sys._base_executable = ''; sys.exec_prefix = '/nowhere'"
    remote = Remote(tmp_path, s3, "save()\nsave()", before=before)
    ended = remote.run()
    assert ended.returncode == 0
    assert ended.stdout == "begun\nsaved\nsaved\n"
    assert "could not be started" in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert f"`lattice upload --spool {remote.spool.home}`" in last
    assert newest(s3.keys()) == 0
    assert lattice(remote, "upload").returncode == 0
    assert remote.is_up()


def test_a_wrapper_that_does_something_else_is_no_python(tmp_path: Path, s3: Bucket) -> None:
    """What `sys.executable` names is tried, and another one when it does not do what it should."""
    wrapper = tmp_path / "python-wrapper"
    wrapper.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    wrapper.chmod(0o755)
    remote = Remote(tmp_path, s3, "save()", "grace=150", before=f"sys.executable = {str(wrapper)!r}")
    ended = remote.run()
    assert ended.returncode == 0
    assert "could not" not in ended.stderr
    assert remote.is_up()


def test_secrets_are_in_no_argument_and_no_file(tmp_path: Path, s3: Bucket) -> None:
    """Options reach it by a pipe."""
    remote = Remote(tmp_path, s3, WAITS, "opt.secret=testing-secret", "opt.key=testing")
    process = remote.start()
    wait_for(process, "saved")
    eventually(remote.uploader)
    uploader = remote.uploader()
    assert b"testing-secret" not in Path(f"/proc/{uploader}/cmdline").read_bytes()
    for folder, _, names in os.walk(remote.state):
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):  # it was written anew, under another name at first
                assert not path.is_file() or b"testing-secret" not in path.read_bytes(), path
    finish_line(process)


@pytest.mark.parametrize("how", ["exit", "SIGTERM", "SIGTERM, then SIGTERM", "Ctrl-C"])
def test_a_program_that_ends_waits_and_says_what_is_left(tmp_path: Path, s3: Bucket, how: str) -> None:
    """Within its grace it waits, and then says in one line what is not up; who does not want that, signals again."""
    grace = "1.5" if how in ("exit", "SIGTERM") else "1000"
    body = "save()\ninput()\ns3 = save()\nprint('ends', flush=True)\ntime.sleep(1000) if len(sys.argv) > 1 else None"
    remote = Remote(tmp_path, s3, body, f"grace={grace}", "linger=0.5")
    process = remote.start(*(["sleep"] if "TERM" in how else []))
    wait_for(process, "saved")
    eventually(remote.is_up)
    s3.proxy.black_hole()
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wait_for(process, "ends")
    if "TERM" in how:
        process.send_signal(signal.SIGTERM)
    if grace == "1000":
        assert process.stderr is not None
        assert "waiting up to" in process.stderr.readline()
        process.send_signal(signal.SIGTERM if "TERM" in how else signal.SIGINT)
    ended = finish(process)
    assert ended.returncode == (-signal.SIGTERM if "TERM" in how else 0)
    lines = ended.stderr.splitlines()
    assert "Traceback" not in ended.stderr
    assert f"`lattice upload --spool {remote.spool.home}` finishes it" in lines[-1]
    assert len(lines) <= 2


def test_a_handler_of_the_programs_is_not_kept_waiting(tmp_path: Path, s3: Bucket) -> None:
    """Where the program goes on after a signal, nothing is waited for."""
    before = "signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))"
    body = "save()\ninput()\nos.kill(os.getpid(), signal.SIGTERM)\nos._exit(4)"
    remote = Remote(tmp_path, s3, body, "grace=1000", "linger=0.5", before=before)
    process = remote.start()
    wait_for(process, "saved")
    s3.proxy.black_hole()
    ended = finish_line(process)
    assert (ended.returncode, ended.stdout) == (4, "handled\n"), ended.stderr


def test_what_dead_uploaders_left_is_looked_for_once(tmp_path: Path, s3: Bucket) -> None:
    """Uploads that nobody completes cost money; to look for them costs one request, when nothing else is to do."""
    remote = Remote(tmp_path, s3, "save()\nsys.stdin.readline()\nsave()\nsys.stdin.readline()")
    process = remote.start()
    eventually(lambda: s3.proxy.counts().get("list-uploads"))
    assert remote.is_up()
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    eventually(lambda: newest(s3.keys()) == 2)
    assert finish_line(process).returncode == 0
    assert s3.proxy.counts()["list-uploads"] == 1


OWN = """
from lattice_addons import Settings, StateManagerGroup
own = StateManagerGroup(Settings.from_environ())
own.register("value")
own.update("value", 1)
own.save()
"""


@pytest.mark.parametrize("end", ["own.close()", "del own; import gc; gc.collect()"])
def test_a_group_that_ended_before_is_waited_for(tmp_path: Path, s3: Bucket, end: str) -> None:
    """Closed or held by nobody any more: what it has committed is up when the program has ended."""
    s3.proxy.latency = 0.1
    remote = Remote(tmp_path, s3, "", "grace=150", before=f"{OWN}{end}\nsys.exit()")
    assert remote.run().returncode == 0
    assert remote.is_up()


def test_lattice_upload_waits_for_the_one_that_runs(tmp_path: Path, s3: Bucket) -> None:
    """While an uploader runs the command asks it, and is done when that is."""
    remote = Remote(tmp_path, s3, WAITS)
    s3.proxy.latency = 0.3
    process = remote.start()
    wait_for(process, "saved")
    done = lattice(remote, "upload", "--json")
    assert done.returncode == 0, done.stderr
    assert remote.is_up()
    assert remote.uploader()
    finish_line(process)


def test_lattice_upload_says_what_it_could_not_send(tmp_path: Path, s3: Bucket) -> None:
    """Its status is that of the error: a script can tell a store that does not answer from one that refuses."""
    remote = Remote(
        tmp_path, s3, "save()\ninput()\nsave(); os.kill(os.getpid(), signal.SIGKILL)", "linger=0.1"
    )
    process = remote.start()
    wait_for(process, "saved")
    eventually(remote.is_up)
    s3.proxy.fail(403)
    finish_line(process)
    eventually(lambda: not remote.uploader())
    refused = lattice(remote, "upload")
    assert refused.returncode == 77, refused.stdout + refused.stderr
    assert "1 checkpoint of program/rank-00000" in refused.stdout
    s3.proxy.heal()
    assert lattice(remote, "upload").returncode == 0
    assert not remote.uploader()
