"""The status with which a command ends: its own three, and the exit code of each error."""

from __future__ import annotations

from typing import Final

__all__ = ["DEFECT", "INTERRUPTED", "MEANINGS", "NO", "OK", "USAGE"]

OK: Final = 0
NO: Final = 1
USAGE: Final = 2
DEFECT: Final = 70
INTERRUPTED: Final = 130

#: What each status means. An error's class says its own, as `exit_code`; there is none but these.
MEANINGS: Final = {
    OK: "it went well",
    NO: "the answer is no: ``clear``, ``choose`` or ``experiment`` was not confirmed, the editor of "
    "``edit`` has failed, ``hp … diff`` has found a difference, ``doctor`` a problem, or the results of the ``demo`` "
    "differ",
    USAGE: "the command line is wrong",
    64: "a setting, a name or a value that was given cannot be",
    65: "data cannot be used: ``verify`` has found damage, ``repair`` some that it cannot repair, ``copy`` has copied "
    "some; a file to be imported is damaged; ``hp … check`` has found something, ``schema check`` a change that "
    "breaks older files",
    66: "what was named is not there: a store, a job, a checkpoint, a slot, a file",
    68: "a remote store, or another program, does not answer",
    69: "something is too old: a newer Lattice wrote it, or it needs what is not installed",
    DEFECT: "settings of an experiment failed; or a defect of Lattice, which ``--debug`` shows",
    73: "no room: some slots kept their last good value in a save, or a service takes no more",
    74: "the store, or the answer, cannot be read or written",
    75: "somebody else is at it, or too many are: try again later",
    77: "no access: rights, credentials, a key or a signature that is not right",
    INTERRUPTED: "it was stopped with Ctrl-C",
}
