"""Bytes that somebody else wrote run nothing where they are not trusted."""

# ruff: noqa: D105  values of any type

from __future__ import annotations

import copyreg
import os
import pickle
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.encoding import Encoder, decode, encode, register_encoder
from lattice_addons.encoding import _encoders as registry
from lattice_addons.errors import DecodeError, LatticeError, UntrustedError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.every_python


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("encoding", ["pickle", "cloudpickle", "dill"])
@pytest.mark.parametrize("trust", ["safe", "", "SIGNED", "none"])
def test_nothing_is_unpickled_without_trust(tmp_path: Path, encoding: str, trust: str) -> None:
    """Not even looked at; the error says what one may do."""
    buffers = [bytearray(pickle.dumps(Attack(tmp_path / "made"), 5))]
    with pytest.raises(UntrustedError, match=r"trust=pickle.*LATTICE_CHECKPOINT_KEY"):
        decode(encoding, None, buffers, trust=trust, type="os.mkdir")
    assert not (tmp_path / "made").exists()
    # That it would have been made shows that the test can fail.
    decode(encoding, None, buffers)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("encoding", ["json", "numpy", "file", "unheard-of", "Pickle", "pickle ", ""])
def test_a_pickle_under_another_name_is_not_unpickled(tmp_path: Path, encoding: str) -> None:
    """There is no falling back to it."""
    payload = pickle.dumps(Attack(tmp_path / "made"), 5)
    for value in (payload, None):
        with pytest.raises(LatticeError):
            decode(encoding, value, [bytearray(payload)], trust="safe")
    assert not (tmp_path / "made").exists()


def test_an_unsafe_encoder_is_not_asked_without_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says itself that reading is not safe."""
    monkeypatch.setattr(registry, "_by_name", dict(registry._by_name))
    monkeypatch.setattr(registry, "_by_type", dict(registry._by_type))

    class Unsafe(Encoder):
        name = "unsafe"
        types = (Attack,)
        safe = False
        asked = 0

        def encode(self, value: Any) -> Any:
            return value.path, []

        def decode(self, header: Any, buffers: Any) -> Any:
            self.asked += 1
            return header, buffers

    register_encoder(encoder := Unsafe())
    with pytest.raises(UntrustedError):
        decode("unsafe", b'"x"', [], trust="safe")
    assert encoder.asked == 0
    decode("unsafe", b'"x"', [], trust="signed")
    assert encoder.asked == 1


def test_altered_safe_encodings_give_values_or_clear_errors() -> None:
    """Some thousands of random alterations of what trust=safe reads."""
    chance = random.Random(7)
    array = np.zeros((3, 4), [("a", "<i4"), ("b", ">f8", (2,))])
    seeds = [
        ("json", encode({"a": [1, 2**70, float("nan")], "$b": {"c": None}}).value, []),
        ("numpy", encode(array).value, [array.tobytes()]),
        ("numpy", encode(np.arange(12)).value, [np.arange(12).tobytes()]),
    ]
    bad = 0
    for _ in range(6000):
        encoding, text, buffers = chance.choice(seeds)
        altered = bytearray(text or b"")
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(altered))
            kind = chance.randrange(3)
            if kind == 0:
                altered[place] = (
                    chance.choice(b'0123456789"[]{}:,-<>OVSUMf$e.') if chance.random() < 0.8 else place % 256
                )
            elif kind == 1:
                del altered[place : place + chance.randint(1, 4)]
            else:
                altered[place:place] = altered[chance.randrange(len(altered)) :][: chance.randint(1, 6)]
            altered = altered or bytearray(b" ")
        try:
            decode(encoding, bytes(altered), [bytearray(buffer) for buffer in buffers], trust="safe")
        except DecodeError:
            bad += 1
    assert bad > 1000


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b'{"$int":"' + b"9" * 1_000_000 + b'"}',
        b'{"$int":{"$int":{"$int":"1"}}}',
        b"1e999999999999",
        b'"\\ud800"',
        b"\x00",
    ],
    ids=["open", "nested", "dicts", "digits", "tags", "exponent", "surrogate", "nul"],
)
def test_bombs_of_text_are_clear_errors(text: bytes) -> None:
    """Neither a crash, nor minutes of work."""
    with pytest.raises(DecodeError):
        decode("json", text, [], trust="safe")


def test_an_extension_code_is_not_a_way_round(tmp_path: Path) -> None:
    """Nothing of a pickle is interpreted without trust, so its registered extension codes are not either."""
    copyreg.add_extension("os", "mkdir", 0x7001)
    try:
        payload = (
            b"\x80\x02\x83\x01\x70X"
            + len(str(tmp_path / "made")).to_bytes(4, "little")
            + str(tmp_path / "made").encode()
        )
        payload += b"\x85R."
        with pytest.raises(UntrustedError):
            decode("pickle", None, [bytearray(payload)], trust="safe")
        assert not (tmp_path / "made").exists()
        decode("pickle", None, [bytearray(payload)])
        assert (tmp_path / "made").exists()
    finally:
        copyreg.remove_extension("os", "mkdir", 0x7001)
