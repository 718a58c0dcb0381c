"""The commands there are: what each is for, and an example of it, known before any of them is imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Protocol

    class Room(Protocol):
        """What the file of a command has."""

        add_arguments: Callable[[argparse.ArgumentParser], None]
        run: Callable[[argparse.Namespace], int]


__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """A command: its file is ``_NAME.py``, and nothing of it is imported before it is used."""

    name: str
    help: str
    example: str  # a command line that works as it stands, but for the names in it
    shows: str  # what that one does

    @property
    def epilog(self) -> str:
        """Give what stands at the end of its help."""
        return f"example:\n  {self.example}\n      {self.shows}"

    def room(self) -> Room:
        """Import its file."""
        return cast("Room", import_module(f"._{self.name}", __package__))


_ALL = (
    Command(
        "list",
        "list the jobs of a store, the newest checkpoint of each, and what running ones have not saved yet",
        "lattice list --root s3://bucket/runs",
        "the jobs of a store that is not the one of this folder",
    ),
    Command(
        "top",
        "watch the jobs of a store: what runs, what would be lost now, how much is saved",
        "lattice top --every 5",
        "the jobs here, anew every five seconds, until q or Ctrl-C",
    ),
    Command(
        "log",
        "list the checkpoints of a job, newest first",
        "lattice log train --rank 1",
        "the checkpoints of the second process of `train`",
    ),
    Command(
        "show",
        "show the newest checkpoint of a job and what it cost, or the value of one of its slots",
        "lattice show train epoch --number 41",
        "the value that the slot `epoch` had in checkpoint 41",
    ),
    Command(
        "diff",
        "show what changed from one checkpoint of a job to another",
        "lattice diff train 41 42",
        "the slots and hyper-parameters in which they differ",
    ),
    Command(
        "verify",
        "read every byte that is stored and say what is damaged",
        "lattice verify train",
        "every checkpoint of `train`; the status is 65 when something is damaged",
    ),
    Command(
        "doctor",
        "check what saving needs here: settings, rights, disk, clock, versions, the store, signals and exits",
        "lattice doctor -- python train.py",
        "the checks, and whether that program, which is started and stopped, would save",
    ),
    Command(
        "repair",
        "repair what is damaged where there is a whole copy, and put unreadable manifests aside",
        "lattice repair train --dry-run",
        "only what would be done",
    ),
    Command(
        "rollback",
        "commit the state of an older checkpoint as a new one, so that the job carries on from there",
        "lattice rollback train 41",
        "the next start of `train` has what checkpoint 41 has; the later ones stay until their time has come",
    ),
    Command(
        "keep",
        "let a checkpoint stay, whatever comes after it, and give it a name; or list those that do",
        "lattice keep train 41 --name before-lr-change",
        "checkpoint 41 stays, under this name",
    ),
    Command(
        "prune",
        "remove the checkpoints of a job that need not stay, and the bytes that nothing needs any more",
        "lattice prune train --keep 1 --dry-run",
        "only what would go if one checkpoint stayed",
    ),
    Command(
        "choose",
        "list the lines of a job that went on in two places, or choose the one that goes on",
        "lattice choose train 1",
        "the line 1, which was put aside, goes on",
    ),
    Command(
        "upload",
        "send what programs have saved for a remote store and is not there yet",
        "lattice upload",
        "all that this machine has; the status is 0 when all is there",
    ),
    Command(
        "copy",
        "copy a job, or all, from one store to another, and check what has arrived",
        "lattice copy .lattice s3://bucket/runs train",
        "the job `train`, as it is, with all its checkpoints",
    ),
    Command(
        "export",
        "write one checkpoint as one file that `lattice import` reads",
        "lattice export train@41 train-41.tar",
        "checkpoint 41, for a colleague or a bug report",
    ),
    Command(
        "import",
        "take the checkpoint of a file in, as the next one of its job",
        "lattice import train-41.tar --job again",
        "the job `again` carries on from it",
    ),
    Command(
        "clear",
        "remove all checkpoints of a job, so that it begins afresh",
        "lattice clear train --yes",
        "all of `train`, without being asked",
    ),
    Command(
        "edit",
        "edit config and state of a HyperState's checkpoint as text; what is changed becomes the next checkpoint",
        "lattice edit train@41",
        "the config and state of checkpoint 41, in $EDITOR",
    ),
    Command(
        "set",
        "change the config of a running program, as of its next step()",
        "lattice set train optimizer.lr=0.05",
        "the program takes it over, or refuses it and says why",
    ),
    Command(
        "run",
        "run a program as a job: hand signals on to it, start it again when it dies, say what each life lost",
        "lattice run --restarts 10 -- python train.py",
        "as often as ten times more, when it is killed",
    ),
    Command(
        "experiment",
        "run an experiment, or all that a file has; print, export and draw its results",
        "lattice experiment results Fit --sort=-loss",
        "what the settings of the experiment `Fit` have returned",
    ),
    Command(
        "hp",
        "list, save, compare or check the hyper-parameters of source, without running it",
        "lattice hp train.py list --form table",
        'what the file declares by _("name", value)',
    ),
    Command(
        "schedule",
        "draw the schedules of a config file",
        "lattice schedule config.yaml --png lr.png",
        "in the terminal, and into a picture",
    ),
    Command(
        "config",
        "upgrade config files in place to the version of their class",
        "lattice config upgrade config.yaml --class train.py:Config --dry-run",
        "only what would change",
    ),
    Command(
        "schema",
        "dump the schema of a config class, compare it with the code, or bring it up to date",
        "lattice schema check train.py:Config schema.yaml",
        "what has changed in the class; the status is 65 when older files would not be read any more",
    ),
    Command(
        "serve",
        "keep the checkpoints of programs on many machines: a service over any store",
        "lattice serve --root /srv/lattice --port 5555",
        "programs reach it with LATTICE_CHECKPOINT_TYPE=remote",
    ),
    Command(
        "ui",
        "show the dashboard of a store, without a service",
        "lattice ui --root .lattice",
        "in the browser: the jobs, their checkpoints, and what to do with them",
    ),
    Command(
        "token",
        "make, list and revoke the tokens that a service asks its clients for",
        "lattice token create train --rights write",
        "prints a token, once, with which the jobs whose names begin with `train` can be written",
    ),
    Command(
        "completion",
        "print what lets a shell complete commands, options, jobs and slots",
        'eval "$(lattice completion bash)"',
        "in ~/.bashrc",
    ),
    Command(
        "demo",
        "show a program that is stopped twice, carries on, and ends as if nothing had happened",
        "lattice demo --keep demo",
        "and leaves everything in the folder `demo`",
    ),
)  # fmt: skip

COMMANDS = {command.name: command for command in _ALL}
