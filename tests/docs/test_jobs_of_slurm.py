"""A sweep of the documentation whose workers are jobs of a real SLURM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("dask_jobqueue", reason="not installed: dask_jobqueue")

from tests.docs.pages import ROOT, examples
from tests.docs.surroundings import CLUSTERS
from tests.integration.slurm import Cluster, why_not
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "howto" / "experiments-on-clusters.rst"


@pytest.mark.timeout(600)
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_settings_run_as_jobs_of_slurm(slurm: Cluster, tmp_path: Path) -> None:
    """The page's program submits jobs as they are needed, and each setting is run by one of them."""
    kept = str(tmp_path / "experiments")
    sources = {each.name: each.source for each in examples(PAGE)}
    # Each run says by which job it was run: SLURM tells only what it starts.
    returned = 'return {"loss": self.lr**2'
    assert returned in sources["params.py"]
    asking = f'import os; {returned}, "job": os.environ["SLURM_JOB_NAME"]'
    Program(tmp_path, sources["params.py"].replace(returned, asking), "params.py")
    shared = '"/shared/experiments"'
    assert shared in sources["on_slurm.py"]
    shown = f"\nprint(sorted((row.lr, row.job) for row in RQ1.results(root={kept!r}).itertuples()))\n"
    program = Program(tmp_path, sources["on_slurm.py"].replace(shared, repr(kept)) + shown, "on_slurm.py")

    done = program.run(environ=slurm.environ | CLUSTERS | {"HOME": str(tmp_path)}, timeout=400)

    said = [*(path.read_text() for path in tmp_path.glob("slurm-*.out")), done.stdout, done.stderr]
    assert done.returncode == 0, "\n".join(said)
    expected = [(lr, "dask-worker") for lr in (0.001, 0.01, 0.1)]
    assert done.stdout.splitlines()[-1] == str(expected), "\n".join(said)
