"""A process is told apart from all others, the dead ones included."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from lattice_addons.lifecycle import Owner
from tests.faults.injection import no_mounts


def another() -> Owner:
    """Give a process that has ended since."""
    code = "import json; from lattice_addons.lifecycle import Owner; print(json.dumps(Owner.current().to_dict()))"
    return Owner.from_dict(json.loads(subprocess.check_output([sys.executable, "-c", code])))


def test_this_process() -> None:
    """It lives, and is not its own ancestor."""
    owner = Owner.current()
    assert owner.pid == os.getpid()
    assert owner.alive() is True
    assert not owner.is_ancestor()


def test_it_survives_as_plain_data() -> None:
    """What is stored compares equal."""
    owner = Owner.current()
    assert Owner.from_dict(json.loads(json.dumps(owner.to_dict()))) == owner


@pytest.mark.parametrize(
    "told", [{}, {"host": "x"}, {"host": 1, "boot_id": "", "pid": 1, "start": 1, "pid_namespace": ""}]
)
def test_other_data_is_no_owner(told: dict[str, object]) -> None:
    """It is a ValueError."""
    with pytest.raises(ValueError, match="no owner"):
        Owner.from_dict(told)


def test_a_process_that_ended() -> None:
    """It is dead."""
    assert another().alive() is False


def test_a_number_that_was_given_out_again() -> None:
    """A living process of the same number is not the owner."""
    owner = Owner.current()
    assert dataclasses.replace(owner, start=owner.start - 1).alive() is False


def test_after_a_restart_of_the_host() -> None:
    """Whoever ran before is dead."""
    assert dataclasses.replace(Owner.current(), boot_id="before").alive() is False


@pytest.mark.parametrize(
    "elsewhere", [{"host": "elsewhere", "boot_id": "other"}, {"pid_namespace": "pid:[1]"}]
)
def test_elsewhere(elsewhere: dict[str, str]) -> None:
    """On another host or in another container it cannot be told."""
    owner = dataclasses.replace(Owner.current(), **elsewhere)  # type: ignore[arg-type]
    assert owner.alive() is None
    assert not owner.is_ancestor()


def test_a_zombie_is_dead() -> None:
    """It ended, though its parent has not asked yet."""
    code = "import json; from lattice_addons.lifecycle import Owner; print(json.dumps(Owner.current().to_dict()))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        owner = Owner.from_dict(json.loads(process.stdout.read()))
        # Until it has ended, without asking for its status: that is what makes it a zombie.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.alive() is False
        assert process.returncode is None


def test_an_ancestor() -> None:
    """A process knows its parent's parent."""
    code = (
        "import json, os, sys; from lattice_addons.lifecycle import Owner;"
        "print(Owner.from_dict(json.loads(sys.argv[1])).is_ancestor())"
    )
    told = json.dumps(Owner.current().to_dict())
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}, sys.argv[1]])"
    assert subprocess.check_output([sys.executable, "-c", nested, told]) == b"True\n"


def test_a_forked_child_is_another_owner() -> None:
    """It is not taken for its parent."""
    code = (
        "import os; from lattice_addons.lifecycle import Owner; mine = Owner.current()\n"
        "if os.fork() == 0: os._exit(0 if Owner.current() != mine and mine.is_ancestor() else 1)\n"
        "print(os.wait()[1])"
    )
    assert subprocess.check_output([sys.executable, "-c", code]) == b"0\n"


@pytest.mark.one_python
def test_another_users_process_that_the_system_hides() -> None:
    """It is not taken for dead; one that is not there is."""
    if why := no_mounts():
        pytest.skip(why)
    code = (
        "import json, os, sys; from lattice_addons.lifecycle import Owner\n"
        # Once before: another user may not be let in to where Python's own modules are.
        "Owner.current().alive(); os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print([Owner.from_dict(told).alive() for told in json.loads(sys.argv[1])])"
    )
    dead = another().to_dict()
    told = json.dumps([Owner.current().to_dict(), dead, {**dead, "pid": 2**70}])
    hidden = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", hidden, "sh", sys.executable, "-c", code, told]
    assert subprocess.check_output(command) == b"[None, False, False]\n"
