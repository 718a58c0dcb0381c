"""What leads to a large container is written as in any pickle; where that cannot be, it goes as it always did."""

from __future__ import annotations

import copyreg
import pickle
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from lattice_addons.checkpoint._boundaries import by_content
from lattice_addons.encoding import Encoder, Experience, Flow, _encoders, encode, register_encoder
from lattice_addons.errors import EncodeError
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.unit.encoding.classes import Point, Slotted
from tests.unit.encoding.test_seamless import counted, payload_of


@dataclass
class Record:
    """What a program keeps many of."""

    number: int
    text: str
    owner: Any = None


@dataclass
class Model:
    """What holds them."""

    records: list[Record] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)


def records(count: int = 1500, owner: Any = None) -> list[Any]:
    """Give some thousand objects."""
    return [Record(number, f"record {number}, and more of it", owner) for number in range(count)]


def seams(value: object) -> int:
    """Say how many ends more than ours a plain pickle of it has; of two batches one."""
    ends = ("APPENDS", "SETITEMS", "ADDITEMS")
    payload = payload_of(value)
    assert pickle._loads(payload) is not None  # type: ignore[attr-defined]
    return sum(counted(pickle.dumps(value, 5), *ends)) - sum(counted(payload, *ends))


@pytest.mark.parametrize(
    "around",
    [
        lambda held: {"step": (1,), "held": held},
        Model,
        lambda held: {"values": {each.number: each for each in held}, "step": (1,)},
    ],
    ids=["item", "attribute", "values"],
)
def test_of_objects_little_is_written_again(around: Any) -> None:
    """When one is put in front of them all."""
    held = records(60_000)
    before = set(by_content([payload_of(around(held))]))
    after = list(by_content([payload_of(around([Record(-1, "put in"), *held]))]))
    written = sum(len(piece) for piece in after if piece not in before)
    assert written <= 0.05 * sum(map(len, after))


def test_containers_of_objects_are_all_written_in_one_go() -> None:
    """Of any number, in lists, tuples, dicts and objects, one in the other."""
    value = {
        "model": Model(records(), {"deep": [((records(),),)]}),
        "more": (1, records(), 2, 3, {"set": {Ordered(number) for number in range(2500)}}),
    }
    assert seams(value) == 3 + 2
    back: Any = restored(encode(value))
    assert back == value


@dataclass(frozen=True)
class Ordered:
    """What can stand in a set."""

    number: int


def test_what_refers_back_to_the_holder_finds_it() -> None:
    """As children do to their parent, and to the list in which they are."""
    model = Model()
    model.records = records(owner=model)
    model.records.append(model.records)  # type: ignore[arg-type]
    model.config["model"] = (model, model.__dict__)
    assert seams(model) == 1
    back: Any = restored(encode(model))
    assert back.records[7].owner is back.config["model"][0] is back
    assert back.records[-1] is back.records
    assert back.config["model"][1] == vars(back)


def test_what_is_met_before_its_place_is_written_there() -> None:
    """Then only the first container that a pickler comes to is without seams."""
    later = Model(records())
    value = {"first": records(owner=later), "later": later, "alone": records()}
    assert seams(value) == 1
    back: Any = restored(encode(value))
    assert back["first"][5].owner is back["later"]
    assert (len(back["later"].records), back["alone"]) == (1500, value["alone"])


@pytest.mark.parametrize("as_tuple", [False, True])
def test_what_is_met_after_its_place_is_the_same(as_tuple: bool) -> None:
    """Also where it is a tuple, which is made only when it is whole."""
    held: Any = (1, records(), 3, 4) if as_tuple else records()
    value = [records(), {"here": held}, Slotted(held), {"alone": records()}]
    assert seams(value) == 1
    back: Any = restored(encode(value))
    assert back[1]["here"] is back[2].part
    assert back[3] == value[3]


def test_what_is_seen_to_be_held_twice_goes_as_it_always_did() -> None:
    """All others have no seams."""
    held = records()
    value = [records(), {"here": held}, {"and here": held}, {"alone": records()}]
    assert seams(value) == 1 + 1
    back: Any = restored(encode(value))
    assert back[1]["here"] is back[2]["and here"]
    assert back[3] == value[3]


def test_a_tuple_that_leads_to_itself_does_so_again() -> None:
    """Its parts are there before it is."""
    inner = Model(records())
    value = (1, inner, 3, 4)
    inner.config["whole"] = value
    for back in (restored(encode(value)), pickle._loads(payload_of(value))):  # type: ignore[attr-defined]
        assert back[1].config["whole"] is back


class Says:
    """Is stored as it says, and says it once for each pickle."""

    asked = 0

    def __init__(self) -> None:
        self.records = records()

    def __getstate__(self) -> dict[str, Any]:
        """Say it."""
        Says.asked += 1
        return {"records": self.records[:5]}


class Elsewhere:
    """Is stored as `copyreg` is told."""

    def __init__(self, held: Any) -> None:
        self.held = held


class Encoded:
    """Is stored by an encoder."""

    def __init__(self, held: Any) -> None:
        self.held = held


class _Short(Encoder):
    """Stores how much it is."""

    name = "short"
    types = (Encoded,)

    def encode(self, value: Any) -> tuple[Any, list[bytes]]:
        """Count."""
        return len(value.held), []

    def decode(self, header: Any, buffers: Any) -> Any:
        """Give the count."""
        del buffers
        return Encoded([0] * header)


def test_who_says_how_it_is_stored_is_stored_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a method, in the object itself, to `copyreg`, by an encoder; and is asked once."""
    monkeypatch.setattr(_encoders, "_by_type", {})
    monkeypatch.setattr(_encoders, "_by_name", {})
    monkeypatch.setitem(copyreg.dispatch_table, Elsewhere, lambda _: (Elsewhere, ("copyreg",)))
    register_encoder(_Short())
    itself = Model(records())
    itself.__reduce_ex__ = lambda _: (Model, ())  # type: ignore[method-assign]
    value = [Says(), itself, Elsewhere(records()), Encoded(records()), {"held": records()}]
    Says.asked = 0
    payload = payload_of(value)
    assert Says.asked == 1
    back: Any = pickle.loads(payload)
    assert len(back[0].records) == 5
    assert back[1] == Model()
    assert back[2].held == "copyreg"
    assert back[3].held == [0] * 1500
    assert back[4] == value[4]
    assert counted(payload, "MARK", "APPENDS")[1] == 3


def test_objects_of_classes_that_no_name_leads_to() -> None:
    """They go by value, and lead to containers as any."""

    class Local:
        def __init__(self) -> None:
            self.records = records()
            self.call = lambda: len(self.records)

    value = {"local": Local(), "more": records()}
    encoded = encode(value)
    assert encoded.encoding == "cloudpickle"
    back: Any = restored(encoded)
    assert (back["local"].call(), back["more"]) == (1500, value["more"])


def test_a_part_at_fault_is_named() -> None:
    """Wherever it stands, before and behind a large container."""
    for value, where in (
        ({"held": Model(records(), {"lock": threading.Lock()})}, "value['held'].config['lock']"),
        ([Model([*records(), threading.Lock()])], "value[0].records[1500]"),  # type: ignore[list-item]
    ):
        with pytest.raises(EncodeError) as caught:
            encode(value)
        assert caught.value.where == where


class Counted:
    """Counts how often it is pickled."""

    times = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Count."""
        Counted.times += 1
        return Counted, ()


@pytest.mark.parametrize("most", [2**30, 0])
def test_what_was_found_out_is_known_at_the_next_save(most: int) -> None:
    """A value in which parts are met elsewhere is begun anew only once, also where it is handed on as it is made."""
    later = records()
    value = [Counted(), records(), later, Point(1, Slotted(later))]
    experience = Experience(large=not most)
    took = []
    for _ in range(2):
        Counted.times = 0
        encoded = encode(value, experience=experience, most=most)
        if isinstance(encoded.buffers[0], Flow):
            taken = bytearray()
            encoded = encoded.buffers[0].pour(taken.extend, lambda taken=taken: bytes(taken), taken.clear)  # type: ignore[misc]
        took.append(Counted.times)
        back: Any = restored(encoded)
        assert back[2] is back[3].y.part
        assert stored_bytes(encoded.buffers[0]) == stored_bytes(encode(value).buffers[0])
    assert took[0] > took[1] == 1


def test_what_another_thread_changes_is_whole_all_the_same() -> None:
    """What was there at one moment of the save; or it says that it changes too much."""
    value: dict[Any, Any] = {"model": Model(records(1500)), "rest": [records(1500)], "step": (0,)}
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            number += 1
            value["step"] = (number,)
            value["rest"] = [records(2 + number % 1500)]
            value["model"].records = records(number % 1500)
            value[number % 3] = number
            value.pop((number + 1) % 3, None)

    thread = threading.Thread(target=change)
    thread.start()
    saved, refused = 0, []
    try:
        while saved < 20:
            try:
                back: Any = restored(encode(value))
            except EncodeError as error:
                refused.append(str(error))
                continue
            saved += 1
            assert type(back["model"]) is Model
            assert all(type(record) is Record for record in [*back["model"].records, *back["rest"][0]])
    finally:
        done.set()
        thread.join()
    assert all("changed it meanwhile" in text for text in refused)
