"""A program is one job, in one life or several: each is started, waited for, and accounted for."""

from ._lives import Lives, Plan
from ._names import job_of, named
from ._slurm import Slurm

__all__ = ["Lives", "Plan", "Slurm", "job_of", "named"]
