"""When a program's state is saved, and who the process is that saves it."""

from lattice_addons._owner import Owner

from ._attach import Attachment, attach
from ._exit import uncaught
from ._gate import Gate
from ._identity import folder_name, job_id, passive_reason, rank, run_id, world_size
from ._logs import log_from
from ._process import Saver, look_after
from ._settling import leave_behind
from ._signals import is_ending, is_waiting
from ._tell import tell
from ._watcher import end_thread, start_thread

__all__ = [
    "Attachment",
    "Gate",
    "Owner",
    "Saver",
    "attach",
    "end_thread",
    "folder_name",
    "is_ending",
    "is_waiting",
    "job_id",
    "leave_behind",
    "log_from",
    "look_after",
    "passive_reason",
    "rank",
    "run_id",
    "start_thread",
    "tell",
    "uncaught",
    "world_size",
]
