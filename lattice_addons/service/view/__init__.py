"""What there is to know about the jobs of a store, read from the store alone and never unpickled."""

from __future__ import annotations

from ._board import Board, Snapshot
from ._changes import changed_hyperparams, changed_slots, changed_values
from ._facts import CRASHED, LOST, RUNNING, STATES, STOPPED, CheckpointFacts, JobView, RankView
from ._hyperparams import ConfigEdit, HyperView, config_of, edits, hyperparams_of
from ._job import Life, SlotView, Timeline, slots_of, timeline
from ._jobs import Jobs, age_of, jobs
from ._series import Series, SeriesReader, costs
from ._values import Node, SlotValue, slot_value, tree_of

__all__ = [
    "CRASHED",
    "LOST",
    "RUNNING",
    "STATES",
    "STOPPED",
    "Board",
    "CheckpointFacts",
    "ConfigEdit",
    "HyperView",
    "JobView",
    "Jobs",
    "Life",
    "Node",
    "RankView",
    "Series",
    "SeriesReader",
    "SlotValue",
    "SlotView",
    "Snapshot",
    "Timeline",
    "age_of",
    "changed_hyperparams",
    "changed_slots",
    "changed_values",
    "config_of",
    "costs",
    "edits",
    "hyperparams_of",
    "jobs",
    "slot_value",
    "slots_of",
    "timeline",
    "tree_of",
]
