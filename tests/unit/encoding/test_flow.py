"""A large pickle is made while it is taken; what does not go well that way goes as it always did."""

from __future__ import annotations

import io
import pickle
import sys
import threading
import weakref
from typing import Any

import pytest

from lattice_addons.encoding import Encoded, Experience, Flow, Joined, decode, encode
from lattice_addons.errors import EncodeError, StoreError
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.unit.encoding.classes import Point

MIB = 2**20
KIB = 1024
# More levels than the C pickler has room for: from 3.12 on C code has a limit of its own.
DEEPEST = 2_000 if sys.version_info < (3, 12) else 14_000


class Vessel(io.BytesIO):
    """Takes what comes, and knows the largest piece and who gave it."""

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self.write(data)

    def taken(self) -> bytes:
        """Give all of it."""
        return self.getvalue()

    def empty(self) -> None:
        """Let go of what was taken."""
        self.seek(0)
        self.truncate()


def flow_of(value: object, experience: Experience, most: int = 64 * KIB) -> Flow:
    """Encode a value whose pickle is larger than is to be held."""
    encoded = encode(value, experience=experience, most=most)
    (flow,) = encoded.buffers
    assert isinstance(flow, Flow)
    return flow


def poured(flow: Flow) -> Encoded:
    """Have it made now."""
    vessel = Vessel()
    return flow.pour(vessel.take, vessel.taken, vessel.empty)


def large(count: int = 5_000) -> dict[object, object]:
    """Give a value of many small parts that is no plain data."""
    return {number: (number, str(number) * 5) for number in range(count)}


def test_a_small_pickle_is_made_at_once() -> None:
    """It is what it would be without."""
    experience = Experience()
    assert encode((1, 2), experience=experience, most=MIB) == encode((1, 2))
    assert not experience.large


def test_a_large_pickle_is_made_when_it_is_taken() -> None:
    """Of the value as it is then, and the next save knows at once that it is large."""
    experience = Experience()
    value = large()
    flow = flow_of(value, experience)
    value["later"] = (1,)
    encoded = poured(flow)
    assert encoded.encoding == "pickle"
    assert restored(encoded) == value
    assert encoded.buffers[0] == stored_bytes(encode(value).buffers[0])
    assert experience == Experience(large=True)
    made = 0

    class Counted:
        def __reduce__(self) -> tuple[Any, ...]:
            nonlocal made
            made += 1
            return int, ()

    value["later"] = Counted()
    flow = flow_of(value, experience)
    assert made == 0
    poured(flow)
    assert made == 1


def test_memory_goes_beside_the_payload() -> None:
    """Large buffers of a large pickle are not part of what is taken, and share the value's memory."""
    memory = bytearray(100_000)
    encoded = poured(flow_of([large(), pickle.PickleBuffer(memory)], Experience()))
    assert len(encoded.buffers) == 2
    memory[0] = 7
    assert memoryview(encoded.buffers[1])[0] == 7  # type: ignore[arg-type]


def test_large_bytes_of_the_value_count_for_nothing() -> None:
    """They are in memory anyway: a pickle that is little beside them is held."""
    value = tuple(bytes([n]) * MIB for n in range(3))
    encoded = encode(value, experience=Experience(), most=MIB)
    assert isinstance(encoded.buffers[0], Joined)
    assert restored(encoded) == value


def test_what_needs_cloudpickle_goes_in_one_go() -> None:
    """As soon as the first thing needs it, in the same pass."""
    experience = Experience()
    encoded = poured(flow_of([large(), lambda: 5], experience))
    assert encoded.encoding == "cloudpickle"
    assert restored(encoded)[1]() == 5
    assert not experience.refused


def test_what_needs_dill_is_made_in_memory() -> None:
    """From the next save on without a try that fails."""
    experience = Experience()

    point = Point(1)
    value = [large(), point, weakref.ref(point)]
    encoded = poured(flow_of(value, experience))
    assert encoded.encoding == "dill"
    assert experience.refused
    assert encode(value, experience=experience, most=0).encoding == "dill"


class Adds:
    """Puts something into the value that it is in, as another thread might; once."""

    def __init__(self, value: dict[object, object]) -> None:
        self.value: dict[object, object] | None = value

    def __getstate__(self) -> object:
        """Do it when asked for the first time."""
        value, self.value = self.value, None
        if value is not None:
            value["more"] = 1
        return {}


def test_what_changed_in_mid_pickle_is_poured_again_at_the_next_save() -> None:
    """It is made in memory only this time."""
    experience = Experience()
    value: dict[object, object] = {"parts": large()}
    value["adds"] = Adds(value)
    flow = flow_of([value], experience)
    assert restored(poured(flow))[0]["more"] == 1
    assert not experience.refused


def test_what_cannot_be_stored_is_said_as_ever() -> None:
    """With the place where it is; the next save says so before anything is written."""
    experience = Experience()
    value: dict[object, object] = {**large(), "locks": [threading.Lock()]}
    flow = flow_of(value, experience)
    with pytest.raises(EncodeError) as caught:
        poured(flow)
    assert caught.value.where == "value['locks'][0]"
    with pytest.raises(EncodeError) as caught:
        encode(value, experience=experience, most=64 * KIB)
    assert caught.value.where == "value['locks'][0]"


def test_any_error_of_a_value_is_one_that_the_other_slots_survive() -> None:
    """Also one of ours that a value raises, which means something else elsewhere."""

    class Odd:
        def __reduce__(self) -> tuple[Any, ...]:
            raise StoreError("from within")

    with pytest.raises(EncodeError, match="from within"):
        poured(flow_of([large(), Odd()], Experience()))


@pytest.mark.parametrize(
    "error", [OSError(28, "full"), StoreError("gone"), RecursionError(), RuntimeError("mutated")]
)
@pytest.mark.parametrize("plain", [False, True])
def test_errors_in_taking_are_no_fault_of_the_value(error: Exception, plain: bool) -> None:
    """They come out as they are, and nothing is learned from them."""
    experience = Experience()
    flow = flow_of(records() if plain else large(), experience)

    def fail(data: bytes) -> None:
        del data
        raise error

    with pytest.raises(type(error)) as caught:
        flow.pour(fail, bytes, bytes)
    assert caught.value is error
    assert not experience.refused


def test_a_deep_value_is_made_in_memory() -> None:
    """What is taken is never handed on where there is no room for those who take it."""
    deep: list[Any] = []
    for _ in range(DEEPEST):
        deep = [deep, Point(1)]
    experience = Experience()
    encoded = poured(flow_of((large(), deep), experience))
    assert experience.refused
    buffers = [stored_bytes(buffer) for buffer in encoded.buffers]
    back: Any = decode(encoded.encoding, encoded.value, buffers)
    assert back[0] == large()
    assert back[1][1] == Point(1)


def test_who_takes_has_room_however_deep_the_value_is() -> None:
    """Where a value just fits, nothing is handed on half: it is made in memory."""
    whole = poured_at = 0
    # The first releases of 3.12 have room for a tenth of what the later ones have.
    for levels in (DEEPEST // 100, DEEPEST // 40, *range(DEEPEST // 20, DEEPEST, DEEPEST // 6)):
        deep: Any = tuple(large(2_500).items())
        for _ in range(levels):
            deep = [deep]

        def down(calls: int) -> None:
            if calls:
                down(calls - 1)

        def take(data: bytes) -> None:
            del data
            down(30)

        experience = Experience()
        encoded = Flow(deep, experience, 0).pour(take, bytes, bytes)
        whole += experience.refused
        poured_at += encoded.buffers == (b"",)
    assert whole
    assert poured_at


def records(count: int = 20_000) -> list[Any]:
    """Give plain data whose text is large."""
    return [{"number": number, "text": f"line {number}, " * 5} for number in range(count)]


def test_a_large_text_is_made_when_it_is_taken() -> None:
    """It is the same that would have been made at once."""
    experience = Experience()
    value = records()
    flow = flow_of(value, experience)
    encoded = poured(flow)
    assert (encoded.encoding, encoded.value) == ("json", None)
    assert encoded.buffers == (encode(value).value,)
    assert restored(encoded) == value
    assert encode(value[:10], experience=experience) == encode(value[:10])


def test_what_is_no_longer_plain_is_pickled() -> None:
    """Found before anything is written where it is so at the save, else begun anew; and it may be plain again."""
    experience = Experience()
    value = records()
    flow = flow_of(value, experience)
    value[15_000]["text"] = (1,)
    encoded = poured(flow)
    assert encoded.encoding == "pickle"
    assert encoded.buffers[0] == stored_bytes(encode(value).buffers[0])
    assert restored(encoded) == value
    again = encode(value, experience=experience, most=MIB)
    assert again.encoding == "pickle"
    value[15_000]["text"] = "1"
    assert encode(value, experience=experience, most=MIB).encoding == "json"


def test_a_text_that_changes_meanwhile_is_made_in_one_go() -> None:
    """Of what the value is at one instant."""
    experience = Experience()
    value = records()
    flow = flow_of(value, experience)
    vessel = Vessel()

    def take(data: bytes) -> None:
        if not vessel.tell():
            value.append("more")
        vessel.take(data)

    encoded = flow.pour(take, vessel.taken, vessel.empty)
    assert encoded == encode(value)
    assert restored(encoded)[-1] == "more"
