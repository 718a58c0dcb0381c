"""Snapshots of a training state: a file that gives every bit back, and runs nothing that nobody trusts."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch", reason="a training state is made of torch objects")

import torch
from pydantic import Field, ValidationError

from lattice_addons.errors import DamagedError, DecodeError, LatticeError, StoreError, UntrustedError
from lattice_addons.training import State
from tests.unit.training.small_run import Words, parts, train

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


class Pair(State):
    """A state with a second model and numbers of its own."""

    critic: torch.nn.Module | None = None
    temperature: float = 1.0


class Trap:
    """What runs code when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        """Have a folder made."""
        return os.mkdir, (self.mark,)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the snapshot goes."""
    return tmp_path / "state.snapshot"


def test_a_run_carries_on_with_the_same_bits(path: Path) -> None:
    """Killed after three steps and carried on by other objects, the run ends as the one that was not."""
    whole = train(State(**parts()), 7)
    train(State(**parts()), 3).save_snapshots(path)
    carried_on = State.load_snapshots(path, torch.device("cpu"), **parts(seed=5))
    assert carried_on.step_index == 3
    assert carried_on != whole
    assert train(carried_on, 4) == whole


def test_a_random_state_goes_on_in_place() -> None:
    """NumPy's older kind of generator is a part like the others: the program's own goes back to where it was."""
    random = pytest.importorskip("numpy", reason="NumPy is not installed").random.RandomState(7)
    state = State(rng=random)
    stored, first = state.state_dict(), random.random_sample()
    state.load_state_dict(stored)
    assert state.rng is random
    assert random.random_sample() == first


def test_everything_else_comes_back(path: Path) -> None:
    """Indices, history, a scaler, an average of the model, a generator, and modes that no state dict has."""
    state = train(State(**parts()), 2)
    state.epoch_index, state.train_batch_index = 2, 17
    state.vocabulary, state.tokenizer = {"a": 0, "b": 1}, ["a", "b"]
    state.rng = torch.Generator().manual_seed(7)
    torch.rand(3, generator=state.rng)
    state.ema = torch.optim.swa_utils.AveragedModel(state.model)
    state.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    model: Any = state.model
    model[3].eval()
    model[0].bias.requires_grad_(False)
    state.save_snapshots(str(path))
    made = parts(seed=5)
    more = {
        "rng": torch.Generator(),
        "ema": torch.optim.swa_utils.AveragedModel(made["model"]),
        "scaler": torch.amp.GradScaler("cpu"),
    }
    loaded = State.load_snapshots(path, **made, **more)
    assert loaded == state
    assert loaded.timestamp == state.timestamp is not None
    assert loaded.model is made["model"]
    assert loaded.rng is more["rng"]
    assert loaded.scaler.get_scale() == 8.0


def test_fields_of_a_subclass(path: Path) -> None:
    """A subclass's model and number are stored and come back, too."""
    state = Pair(**parts(), critic=torch.nn.Linear(3, 1), temperature=0.25)
    state.save_snapshots(path)
    loaded = Pair.load_snapshots(path, **parts(seed=5), critic=torch.nn.Linear(3, 1))
    assert loaded == state
    assert loaded.temperature == 0.25
    assert Pair.load_snapshots(path, **parts(seed=5)).critic is None
    with pytest.raises(DecodeError, match="'critic'"):
        State.load_snapshots(path, **parts())


class Odd(State):
    """Fields as people declare them: of another name outside, fixed, and with defaults that are not valid."""

    rate: float = Field(default=1, alias="learning_rate")
    seed: int = Field(default=0, frozen=True)
    critic: torch.nn.Module = None
    kind: Any = None


def test_fields_are_declared_in_many_ways(path: Path) -> None:
    """An alias, a frozen field, and defaults of another type come back as they were."""
    state = Odd(learning_rate=0.5, seed=4)
    state.save_snapshots(path)
    assert Odd.load_snapshots(path) == state
    there = Odd()
    there.load_state_dict(state.state_dict())
    assert there == state
    Odd().save_snapshots(path)
    assert Odd.load_snapshots(path) == Odd()


def test_a_class_is_a_value(path: Path) -> None:
    """A field may say of which class something is to be made: the class has no state, though its objects have."""
    Odd(kind=torch.nn.Linear).save_snapshots(path)
    assert Odd.load_snapshots(path, trust="pickle").kind is torch.nn.Linear


def test_a_wrapped_model_is_stored_as_the_one_within(path: Path) -> None:
    """Saved compiled and parallel, loaded plain; and the other way round."""
    state = train(State(**parts()), 1)
    plain = state.model
    state.model = torch.nn.DataParallel(torch.compile(plain))
    state.save_snapshots(path)
    assert b"_orig_mod" not in path.read_bytes()
    assert b"module." not in path.read_bytes()
    made = parts(seed=5)
    assert State.load_snapshots(path, **made) == state
    made = parts(seed=6)
    made["model"] = torch.compile(made["model"])
    assert State.load_snapshots(path, **made) == state


def test_a_model_that_does_not_fit_is_told_by_name(path: Path) -> None:
    """Another width is one error that names what differs, and the given model is as it was."""
    State(**parts()).save_snapshots(path)
    made = parts(seed=5, width=9)
    before = {name: value.clone() for name, value in made["model"].state_dict().items()}
    with pytest.raises(DecodeError, match=r"0\.weight"):
        State.load_snapshots(path, **made)
    after = made["model"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_is_not_given_is_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """To look at a model one need not make its optimizer; a scheduler that was never saved is told."""
    made = parts()
    State(model=made["model"], optimizer=made["optimizer"]).save_snapshots(path)
    loaded = State.load_snapshots(path, model=parts(seed=5)["model"])
    assert loaded.optimizer is None
    assert loaded.model is not None
    assert torch.equal(loaded.model[0].weight, made["model"][0].weight)
    other = parts(seed=5)
    State.load_snapshots(path, **other)
    assert "scheduler stays as it is" in caplog.text


# -- what is trusted


def test_tensors_and_plain_data_need_no_trust(path: Path) -> None:
    """No pickle is in a file of tensors and plain data, so anybody's may be read."""
    state = train(State(**parts(), vocabulary={"a": 0}), 1)
    state.save_snapshots(path)
    assert b"\x80\x05" not in path.read_bytes()[:4096]
    assert State.load_snapshots(path, **parts(seed=5)) == state


def test_an_object_is_read_from_a_trusted_file_only(path: Path) -> None:
    """A vocabulary of the program's own class was pickled: it is read when the caller says so."""
    state = State(**parts(), vocabulary=Words("a"))
    state.save_snapshots(path)
    with pytest.raises(UntrustedError, match=r"'vocabulary'.*trust=\"pickle\""):
        State.load_snapshots(path, **parts())
    assert State.load_snapshots(path, **parts(), trust="pickle").vocabulary == Words("a")


def test_nothing_runs_that_is_not_trusted(path: Path, tmp_path: Path) -> None:
    """A file that somebody made to run code does not run it, in our form and in torch's."""
    mark = str(tmp_path / "ran")
    State(vocabulary=Trap(mark)).save_snapshots(path)
    with pytest.raises(UntrustedError):
        State.load_snapshots(path)
    torch.save({"model": None, "vocabulary": Trap(mark)}, path)
    with pytest.raises(UntrustedError, match=r"trust=\"pickle\""):
        State.load_snapshots(path)
    path.write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(LatticeError):
        State.load_snapshots(path)
    assert not os.path.exists(mark)


def test_a_torch_that_runs_what_it_should_refuse_reads_nothing_untrusted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 2.10 torch's reader of weights alone could be made to run code: of a file of anybody's it is not asked."""
    torch.save({"model": None, "epoch_index": 3}, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(UntrustedError, match=r"torch 2\.9\.1.*2\.10 or newer"):
        State.load_snapshots(path)
    assert State.load_snapshots(path, trust="pickle").epoch_index == 3
    monkeypatch.setattr(torch, "__version__", "2.10.0")
    assert State.load_snapshots(path).epoch_index == 3


def test_a_signed_file_is_trusted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same key set when it was written, one's own file needs no word; others' are refused."""
    State(vocabulary=Words("a")).save_snapshots(path.with_name("unsigned"))
    monkeypatch.setenv("LATTICE_CHECKPOINT_KEY", "0123456789abcdef" * 4)
    State(vocabulary=Words("a")).save_snapshots(path)
    assert State.load_snapshots(path).vocabulary == Words("a")
    with pytest.raises(UntrustedError):
        State.load_snapshots(path.with_name("unsigned"))
    monkeypatch.setenv("LATTICE_CHECKPOINT_KEY", "fedcba9876543210" * 4)
    with pytest.raises(UntrustedError):
        State.load_snapshots(path)


# -- files of torch.save


def seeds_file(state: State, path: Path, **more: object) -> None:
    """Write what the code that `State` began as wrote."""
    names = ("model", "criterion", "optimizer", "scheduler")
    stored: dict[str, Any] = {
        name: getattr(state, name) and getattr(state, name).state_dict() for name in names
    }
    others = ("epoch_index", "train_batch_index", "step_index", "history", "vocabulary", "tokenizer")
    torch.save({**stored, **{name: getattr(state, name) for name in others}, **more}, path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_torch_save(path: Path, *, zipped: bool) -> None:
    """What the code that `State` began as wrote is read, safely, and the run carries on with the same bits."""
    whole = train(State(**parts()), 5)
    half = train(State(**parts()), 2)
    seeds_file(half, path)
    if not zipped:
        torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)
    loaded = State.load_snapshots(path, "cpu", **parts(seed=5))
    assert loaded == half
    assert train(loaded, 3) == whole


def test_a_file_of_torch_save_with_objects(path: Path) -> None:
    """One with a vocabulary of a class is refused with a word what to do, and read when it is trusted."""
    state = State(**parts(), vocabulary=Words("a"))
    seeds_file(state, path)
    with pytest.raises(UntrustedError, match="Words"):
        State.load_snapshots(path, **parts())
    assert State.load_snapshots(path, **parts(), trust="pickle").vocabulary == Words("a")


# -- the file


def test_a_damaged_file_is_told(path: Path) -> None:
    """A flipped bit anywhere, or an end that is missing, is an error and never another value."""
    state = train(State(**parts()), 1)
    state.save_snapshots(path)
    good = path.read_bytes()
    for at in range(100, len(good) - 1024, len(good) // 9):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        # Also right: it may be one of the bytes that fill up a page, and are of nothing.
        with suppress(LatticeError):
            assert State.load_snapshots(path, **parts(seed=5)) == state
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(DamagedError):
        State.load_snapshots(path, **parts())
    torch.save({"model": None}, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DamagedError):
        State.load_snapshots(path)


def test_a_damaged_file_of_torch_save_is_told(path: Path) -> None:
    """Torch itself would load other numbers; the file has checksums of them, if the program did not say otherwise."""
    state = train(State(**parts()), 1)
    seeds_file(state, path)
    good = path.read_bytes()
    weights = state.model.state_dict()["0.weight"].numpy().tobytes()  # type: ignore[union-attr]
    inside = good.find(weights)
    assert inside > 0
    for at in (inside, inside + 5, *range(100, len(good), len(good) // 12)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 16]) + good[at + 1 :])
        try:
            loaded = State.load_snapshots(path, **parts(seed=5))
        except LatticeError:
            continue
        assert at not in (inside, inside + 5)
        assert loaded == state
    for end in (0, 1, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:end])
        with pytest.raises(DamagedError):
            State.load_snapshots(path)
    torch.serialization.set_crc32_options(False)
    try:
        seeds_file(state, path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert State.load_snapshots(path, **parts(seed=5)) == state


def test_a_file_of_something_else_is_no_state(path: Path) -> None:
    """What torch.save wrote may be anything."""
    for thing in (5, torch.ones(2)):
        torch.save(thing, path)
        with pytest.raises(DecodeError, match="no state of a training run"):
            State.load_snapshots(path)


def test_what_cannot_be_stored_leaves_the_old_file(path: Path) -> None:
    """A save that fails changes nothing and leaves nothing behind."""
    State(step_index=1).save_snapshots(path)
    with pytest.raises(LatticeError):
        State(step_index=2, vocabulary=(each for each in "ab")).save_snapshots(path)
    assert State.load_snapshots(path).step_index == 1
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names the file, for saving and for loading."""
    with pytest.raises(StoreError, match="nowhere"):
        State().save_snapshots(tmp_path / "nowhere" / "state")
    with pytest.raises(StoreError, match="nowhere"):
        State.load_snapshots(tmp_path / "nowhere" / "state")


@pytest.mark.parametrize("by", ["us", "torch"])
def test_a_device(by: str, path: Path) -> None:
    """Tensors come to a GPU, or to the CPU where none is; a name that torch does not know is no fault of the file."""
    if by == "us":
        State(vocabulary=torch.arange(3)).save_snapshots(path)
    else:
        torch.save({"vocabulary": torch.arange(3)}, path)
    there: Any = State.load_snapshots(path, "cuda").vocabulary
    assert there.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert there.tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="device string: gpu"):
        State.load_snapshots(path, "gpu")


@pytest.mark.parametrize(
    "about",
    [
        {},
        3,
        [],
        {"parts": 3, "modes": {}},
        {"parts": [["x"]], "modes": {}},
        {"parts": [], "modes": {"model": 7}},
    ],
    ids=str,
)
def test_an_altered_account_of_the_parts_is_refused(tmp_path: Path, about: object) -> None:
    """The error names the file and what is wrong in it."""
    path = tmp_path / "altered.pt"
    torch.save({"epoch_index": 1, "__about__": about}, path)
    with pytest.raises(DecodeError, match=r"altered\.pt: its '__about__' does not say"):
        State.load_snapshots(path)


def test_a_value_that_its_field_may_not_have_is_refused(tmp_path: Path) -> None:
    """The error names the file and the field; what the caller gives is the caller's."""
    path = tmp_path / "altered.pt"
    torch.save({"epoch_index": -3}, path)
    with pytest.raises(
        DecodeError, match=r"altered\.pt: its 'epoch_index' cannot be in a State: .*equal to 0"
    ):
        State.load_snapshots(path)
    torch.save({"epoch_index": 3}, path)
    with pytest.raises(ValidationError, match="criterion"):
        State.load_snapshots(path, criterion=3)
