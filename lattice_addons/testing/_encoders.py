"""What every encoder keeps to, as tests that the tests of each encoder inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lattice_addons.encoding import Stream, decode, encode, register_encoder
from lattice_addons.errors import UntrustedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.encoding import Buffer, Encoded, Encoder


def stored_bytes(buffer: Buffer) -> bytearray:
    """Give a buffer as a store gives it back: memory of its own, writable."""
    if isinstance(buffer, Stream):
        whole = b"".join(buffer.pieces())
        assert len(whole) == buffer.size, "the pieces of a stream add up to its size"
        return bytearray(whole)
    return bytearray(buffer)


def restored(encoded: Encoded, *, trust: str = "pickle") -> Any:  # noqa: ANN401  a value of any type
    """Decode what was encoded, as a restarted program would."""
    buffers = [stored_bytes(buffer) for buffer in encoded.buffers]
    return decode(encoded.encoding, encoded.value, buffers, trust=trust, type=encoded.type)


class EncoderContract:
    """Inherit this in a test class of your encoder, and give it values to encode.

    ::

        class TestTemperatureEncoder(EncoderContract):
            encoder = TemperatureEncoder()

            def values(self):
                return [Temperature(0.0), Temperature(-273.15)]

    Values that have no ``==`` of their own are compared by ``same``.
    """

    encoder: ClassVar[Encoder]

    def values(self) -> Sequence[object]:
        """Make some values, equal ones at every call; think of the empty and the large one."""
        raise NotImplementedError

    def same(self, one: object, other: object) -> bool:
        """Tell whether one value is as good as the other."""
        return type(one) is type(other) and one == other

    @pytest.fixture(autouse=True)
    def _registered(self) -> None:
        register_encoder(self.encoder)

    def test_it_is_found_by_type(self) -> None:
        """Registered, it is the one that encodes each of the values."""
        assert {encode(value).encoding for value in self.values()} == {self.encoder.name}

    def test_values_come_back(self) -> None:
        """A restarted program gets the same value."""
        for value in self.values():
            assert self.same(value, restored(encode(value)))

    def test_equal_values_make_equal_bytes(self) -> None:
        """What did not change is not stored again; and encoding leaves the value as it was."""
        for value, equal in zip(self.values(), self.values(), strict=True):
            first, second, other = encode(value), encode(value), encode(equal)
            assert first.value == second.value == other.value
            assert _contents(first) == _contents(second) == _contents(other)

    def test_a_copy_shares_no_memory(self) -> None:
        """What is encoded with copy=True does not change when the program goes on."""
        for value in self.values():
            assert all(isinstance(buffer, (bytes, Stream)) for buffer in encode(value, copy=True).buffers)

    def test_values_come_back_from_inside_others(self) -> None:
        """A value inside one that is pickled goes through the encoder too, and stays one object."""
        for value in self.values():
            first, (second,) = restored(encode((value, [value])))
            assert self.same(value, first)
            assert first is second

    def test_it_is_read_as_far_as_it_is_trusted(self) -> None:
        """Where trust is "safe", an encoder is read if it says that it is safe, and else refused."""
        for value in self.values():
            encoded = encode(value)
            if self.encoder.safe:
                assert self.same(value, restored(encoded, trust="safe"))
            else:
                with pytest.raises(UntrustedError):
                    restored(encoded, trust="safe")


def _contents(encoded: Encoded) -> list[bytearray]:
    return [stored_bytes(buffer) for buffer in encoded.buffers]
