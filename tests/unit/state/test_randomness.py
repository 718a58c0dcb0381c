"""Random numbers go on with the one that was due, from every generator."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.errors import DecodeError, UnkeepableError
from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lattice_addons import StateManagerGroup

    Start = Callable[..., StateManagerGroup]


def draw() -> list[float]:
    """Draw from every generator that the process has of itself."""
    numbers = [random.random(), random.gauss(0, 1), np.random.random(), np.random.standard_normal()]  # noqa: NPY002
    torch = sys.modules.get("torch")
    return numbers + ([torch.rand(1).item()] if torch is not None else [])


def test_the_process_goes_on_with_the_number_that_was_due(start: Start) -> None:
    """Python's, NumPy's and, where it is used, torch's; half a pair of normal numbers, too; as readable plain data."""
    goes_on(start)


@pytest.mark.frameworks
def test_torch_goes_on_with_the_others(start: Start) -> None:
    """Once it is imported, its generator is in the same slot."""
    pytest.importorskip("torch", reason="torch is not installed")
    goes_on(start)


def goes_on(start: Start) -> None:
    """Save between two numbers, and compare what comes after it in this session and in the next."""
    group = start(trust="safe")
    group.track_randomness()
    random.gauss(0, 1)
    np.random.standard_normal(1)  # noqa: NPY002 - one of two that are made at a time
    group.save()
    expected = draw()
    draw()
    group = start(trust="safe")
    group.track_randomness()
    assert draw() == expected
    states = group.get("randomness")
    assert list(states) == ["random", "numpy.random", *(["torch"] if "torch" in sys.modules else [])]
    assert json.loads(json.dumps(states)) == states
    group.load()
    assert draw() == expected


def test_the_first_start_leaves_the_generators_alone(start: Start) -> None:
    """There is nothing to go on from: the program's own seed counts."""
    random.seed(5)
    expected = random.random()
    random.seed(5)
    start().track_randomness()
    assert random.random() == expected


GENERATORS: dict[str, Callable[[], Any]] = {
    "random.Random": lambda: random.Random(5),
    "PCG64": lambda: np.random.default_rng(5),
    "MT19937": lambda: np.random.Generator(np.random.MT19937(5)),
    "Philox": lambda: np.random.Generator(np.random.Philox(5)),
    "SFC64": lambda: np.random.Generator(np.random.SFC64(5)),
    "RandomState": lambda: np.random.RandomState(5),
}


def some(generator: Any) -> list[Any]:
    """Draw some numbers of a generator of any library."""
    if hasattr(generator, "gauss"):
        return [generator.random(), generator.gauss(0, 1)]
    if hasattr(generator, "initial_seed"):
        return sys.modules["torch"].rand(5, generator=generator).tolist()  # type: ignore[no-any-return]
    return (
        [*generator.integers(0, 9, 3), generator.normal()]
        if hasattr(generator, "integers")
        else generator.normal(size=3).tolist()
    )


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_of_ones_own_goes_on(start: Start, kind: str) -> None:
    """Each is tracked under its name; the object stays the program's."""
    generator = GENERATORS[kind]()
    group = start(trust="safe")
    group.track(generator=generator)
    some(generator)
    group.save()
    expected = some(generator)
    group, again = start(trust="safe"), GENERATORS[kind]()
    group.track(generator=again)
    assert some(again) == expected
    assert group.get("generator") is again
    group.load()
    assert some(again) == expected


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="NumPy 1 takes no seed sequence")
def test_a_generators_children_go_on(start: Start) -> None:
    """What it spawns after a restart is what it would have spawned, whatever it was made of there."""
    generator = np.random.default_rng(5)
    group = start(trust="safe")
    group.track(generator=generator)
    generator.spawn(2)
    group.save()
    [expected] = generator.spawn(1)
    again = np.random.default_rng()
    start(trust="safe").track(generator=again)
    [child] = again.spawn(1)
    assert some(child) == some(expected)


@pytest.mark.frameworks
def test_a_generator_of_torch_goes_on(start: Start) -> None:
    """As those of NumPy."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    generator = torch.Generator().manual_seed(3)
    group = start(trust="safe")
    group.track(generator=generator)
    some(generator)
    group.save()
    expected = some(generator)
    again = torch.Generator()
    start(trust="safe").track(generator=again)
    assert some(again) == expected


@pytest.mark.frameworks
def test_the_generators_of_gpus_go_on(start: Start) -> None:
    """Those of all GPUs, once the program has used one."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("no GPU is here")
    group = start()
    group.track_randomness()
    torch.rand(3, device="cuda")
    group.save()
    expected = torch.rand(3, device="cuda")
    start().track_randomness()
    assert torch.equal(torch.rand(3, device="cuda"), expected)


SEEDED = """
import os, sys, torch
from lattice_addons import Settings, StateManagerGroup
torch.manual_seed(1)
group = StateManagerGroup(Settings(root=sys.argv[1], job_id="job", signals=()))
group.track_randomness()
if sys.argv[2] == "draw":
    print(torch.rand(3, device="cuda").tolist())
elif (child := os.fork()) == 0:
    os._exit(torch.cuda._is_in_bad_fork())
else:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
group.save()
"""


def seeded(folder: Path, what: str) -> list[Any]:
    """Give what a program that seeds torch first prints in two lives."""
    command = [sys.executable, "-c", SEEDED, str(folder / "store"), what]
    lives = [
        subprocess.run(command, capture_output=True, text=True, env=clean_environ(), check=False)
        for _ in range(2)
    ]
    assert [each.returncode for each in lives] == [0, 0], lives
    return [json.loads(each.stdout) for each in lives]


@pytest.mark.frameworks
def test_a_seed_that_is_set_before_a_gpu_is_used_does_not_count_again(tmp_path: Path) -> None:
    """Torch puts seeds off until then; what is restored counts, as it does on the CPU."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("no GPU is here")
    torch.manual_seed(1)
    assert seeded(tmp_path, "draw") == [torch.rand(3, device="cuda").tolist() for _ in range(2)]


@pytest.mark.frameworks
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_who_stored_no_state_of_a_gpu_asks_for_none(tmp_path: Path) -> None:
    """Torch lets no fork of a process use a GPU once that has asked whether there is one."""
    pytest.importorskip("torch", reason="torch is not installed")
    assert seeded(tmp_path, "fork") == [0, 0]


def test_a_generator_of_another_kind_is_refused(start: Start) -> None:
    """Its numbers would be others, and nobody would know; the stored state stays."""
    group = start()
    group.track(generator=np.random.default_rng(5))
    group.save()
    group = start()
    for other in (random.Random(5), np.random.Generator(np.random.MT19937(5))):
        with pytest.raises(DecodeError):
            group.track(generator=other)
    group.save()
    again = np.random.default_rng(6)
    start().track(generator=again)
    assert some(again) == some(np.random.default_rng(5))


def test_a_generator_without_a_state_is_refused(start: Start) -> None:
    """The system's numbers cannot be drawn again."""
    with pytest.raises(UnkeepableError, match="SystemRandom"):
        start().track(generator=random.SystemRandom())


def test_a_generator_with_a_state_of_its_own_kind_is_refused(start: Start) -> None:
    """One that gives less than Python's own does."""

    class Less(random.Random):
        def getstate(self) -> tuple[Any, ...]:
            return (3, 4)

    with pytest.raises(UnkeepableError, match=r"Less has no state that can be kept"):
        start().track(generator=Less())


def test_what_is_no_state_is_refused(start: Start) -> None:
    """A slot of another kind under that name is told, and no generator is moved."""
    group = start()
    group.register("randomness")
    group.update("randomness", [1, 2])
    group.save()
    with pytest.raises(DecodeError, match="no random state"):
        start().track_randomness()


LATER = """
import sys
from lattice_addons import Settings, StateManagerGroup
group = StateManagerGroup(Settings(root=sys.argv[1], job_id="job", signals=()))
group.track_randomness()
import numpy
print(numpy.random.random())
group.save()
"""


def test_a_library_that_is_imported_later_goes_on(tmp_path: Path) -> None:
    """Its first number after the restart is the one that was due: the second of one life."""
    first = f"import numpy\nnumpy.random.seed(3)\n{LATER}"
    printed = []
    for source in (first, LATER):
        command = [sys.executable, "-c", source, str(tmp_path / "store")]
        ended = subprocess.run(command, capture_output=True, text=True, env=clean_environ(), check=False)
        assert ended.returncode == 0, ended.stderr
        printed.append(float(ended.stdout))
    np.random.seed(3)  # noqa: NPY002
    assert printed == [np.random.random(), np.random.random()]  # noqa: NPY002


def test_nothing_is_imported_for_it(tmp_path: Path) -> None:
    """A program that uses neither NumPy nor torch does not get them by it."""
    source = (
        "import sys\n"
        "from lattice_addons import Settings, StateManagerGroup\n"
        "group = StateManagerGroup(Settings(root=sys.argv[1], job_id='job', signals=()))\n"
        "group.track_randomness()\n"
        "group.save()\n"
        "print({'torch', 'numpy'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", source, str(tmp_path / "store")]
    ended = subprocess.run(command, capture_output=True, text=True, env=clean_environ(), check=False)
    assert ended.stdout == "set()\n", ended.stderr
