"""What a script declares is known in its workers, which are other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
    from __future__ import annotations

    import enum
    import sys
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from lattice_addons.experiments import Experiment, search


    class Kind(enum.Enum):
        FAST = 1
        SLOW = 2


    class Base(Experiment):
        lr: float = search(0.1, 0.2)


    class Steps(Experiment):
        every: int = 3


    class Adam(Base):
        beta: float = 0.9


    class Sgd(Base):
        schedule: Experiment = Steps()


    class Training(Experiment):
        optimizer: Base = search(Adam(lr=0.1), Adam(lr=0.2))
        kind: Kind = search(Kind.FAST, Kind.SLOW)

        def run(self):
            assert type(self.kind) is Kind
            return {"fields": str(self.as_dict()), "is": type(self.optimizer).__name__, "id": self.optimizer.identity}


    if __name__ == "__main__":
        told = []
        for how in ("here", "loky", "fork", "spawn"):
            executor = None if how in ("here", "loky") else ProcessPoolExecutor(2, get_context(how))
            options = {"num_proc": 2 * (how == "loky"), "executor": executor}
            Training().run_all(**options, clean=True)
            Training(optimizer=search(Sgd(), Base())).run_all(**options)
            table = Training.results("arrow").select(["name", "status", "fields", "is", "id"])
            told.append(sorted(map(str, table.to_pylist())))
            if executor is not None:
                executor.shutdown()
        assert len(told[0]) == 12, told[0]
        assert all("'done'" in each for each in told[0]), told[0]
        assert told[1:] == told[:1] * 3, told
"""


def test_what_a_script_declares_is_known_in_its_workers(tmp_path: Path) -> None:
    """Its nested experiments, their annotations that are texts, and its enumerations: as in the script itself."""
    ran = Program(tmp_path, SCRIPT, name="sweep.py").run()
    assert ran.returncode == 0, ran.stderr
