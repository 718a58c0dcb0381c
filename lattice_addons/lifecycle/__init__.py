"""When a program's state is saved, and who the process is that saves it."""

from ._attach import Attachment, attach
from ._gate import Gate
from ._identity import job_id, passive_reason, rank, world_size
from ._logs import log_from
from lattice_addons._owner import Owner
from ._process import Saver, look_after
from ._tell import tell
from ._watcher import end_thread, start_thread

__all__ = [
    "Attachment",
    "Gate",
    "Owner",
    "Saver",
    "attach",
    "end_thread",
    "job_id",
    "log_from",
    "look_after",
    "passive_reason",
    "rank",
    "start_thread",
    "tell",
    "world_size",
]
