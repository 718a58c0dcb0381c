"""What there is to know about the jobs of a store, read from the store alone and never unpickled."""

from __future__ import annotations

from ._arrays import arrays_text, mean_text, nonfinite_text, range_text, sample_text, shape_text
from ._board import Board, Snapshot
from ._changes import changed_hyperparams, changed_slots, changed_values
from ._compared import Compared, Side, compared
from ._experiments import Experiments, ExperimentView
from ._facts import CRASHED, LOST, RUNNING, STATES, STOPPED, CheckpointFacts, JobView, RankView
from ._hyperparams import ConfigEdit, HyperView, config_of, edits, hyperparams_of
from ._job import Life, SlotView, Timeline, slots_of, timeline
from ._jobs import Jobs, age_of, jobs, together
from ._manifests import when
from ._series import Series, SeriesReader, costs
from ._unsent import Unsent, unsent
from ._values import Node, SlotValue, slot_value, tree_of

__all__ = [
    "CRASHED",
    "LOST",
    "RUNNING",
    "STATES",
    "STOPPED",
    "Board",
    "CheckpointFacts",
    "Compared",
    "ConfigEdit",
    "ExperimentView",
    "Experiments",
    "HyperView",
    "JobView",
    "Jobs",
    "Life",
    "Node",
    "RankView",
    "Series",
    "SeriesReader",
    "Side",
    "SlotValue",
    "SlotView",
    "Snapshot",
    "Timeline",
    "Unsent",
    "age_of",
    "arrays_text",
    "changed_hyperparams",
    "changed_slots",
    "changed_values",
    "compared",
    "config_of",
    "costs",
    "edits",
    "hyperparams_of",
    "jobs",
    "mean_text",
    "nonfinite_text",
    "range_text",
    "sample_text",
    "shape_text",
    "slot_value",
    "slots_of",
    "timeline",
    "together",
    "tree_of",
    "unsent",
    "when",
]
