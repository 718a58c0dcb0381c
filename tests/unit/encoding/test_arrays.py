"""NumPy arrays are stored as their raw memory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.encoding import Encoded, decode, encode
from lattice_addons.errors import DecodeError
from lattice_addons.testing._encoders import restored, stored_bytes
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path


class Metres(np.ndarray):
    """A subclass, as those of units are."""


PADDED = np.dtype({"names": ["a", "b"], "formats": ["<i1", "<f8"], "offsets": [1, 8], "itemsize": 24})
NESTED = np.dtype([("x", "<i4"), ("y", [("z", ">f8", (2, 3)), ("w", "S3")])])

RAW = {
    "one": np.arange(12.0).reshape(3, 4),
    "zero-d": np.array(3.5),
    "zero-d datetime": np.array("2020-02-02", "M8[s]"),
    "empty": np.zeros((0, 3), "<i2"),
    "empty too": np.zeros((3, 0)),
    "no bytes": np.zeros(3, "V0"),
    "fortran": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "transposed": np.arange(24).reshape(2, 3, 4).T,
    "strided": np.arange(10)[::3],
    "reversed": np.arange(10)[::-1],
    "inner columns": np.arange(20).reshape(4, 5)[:, 1:3],
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "big-endian": np.arange(5, dtype=">i4"),
    "bool": np.array([True, False]),
    "half": np.array([1.5, np.nan, -0.0], "f2"),
    "complex": np.array([1 + 2j]),
    "long double": np.array([1, 2], "longdouble"),
    "text": np.array(["a", "\N{SNOWMAN}bc"]),
    "bytes": np.array([b"a", b"bcd"]),
    "void": np.array([b"ab", b"cd"], "V2"),
    "datetime": np.array(["2020-01-01", "NaT"], "M8[ns]"),
    "datetime of 25 s": np.array([1, 2], "M8[25s]"),
    "padded": np.zeros(3, PADDED),
    "nested": np.zeros((2, 2), NESTED),
    "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "no fields": np.zeros(3, np.dtype([])),
}
PICKLED = {
    "objects": np.array([1, "x", None], object),
    "fields of objects": np.array([(1, [2])], [("a", "i4"), ("b", object)]),
    "metres": np.arange(3.0).view(Metres),
    "masked": np.ma.masked_array([1, 2, 3], mask=[False, True, False]),
    "record": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "record type": np.zeros(2, np.dtype((np.record, [("a", "i4")]))),
    "record type in a field": np.zeros(2, [("x", np.dtype((np.record, [("a", "i4")])), (2,))]),
    "metadata": np.zeros(2, np.dtype("f8", metadata={"unit": "m"})),
    "metadata of times": np.zeros(2, np.dtype("M8[s]", metadata={"zone": "UTC"})),
    "titles": np.zeros(2, np.dtype({"names": ["a"], "formats": ["i4"], "titles": ["Apples"]})),
}


def assert_same(value: Any, back: Any) -> None:
    """See that an array is the other one in everything that a program can see."""
    assert type(back) is type(value)
    assert back.dtype == value.dtype
    assert back.dtype.type is value.dtype.type
    assert back.dtype.isalignedstruct == value.dtype.isalignedstruct
    for name in value.dtype.names or ():
        assert back.dtype[name].base.type is value.dtype[name].base.type
    assert back.shape == value.shape
    assert back.flags.writeable == value.flags.writeable
    if value.dtype.hasobject:
        assert back.tolist() == value.tolist()
    else:
        assert back.tobytes() == value.tobytes()


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("name", RAW)
def test_arrays_are_raw_memory(name: str, copy: bool) -> None:
    """Stored without pickle: trust=safe reads them; the header is plain and names no code."""
    value = RAW[name]
    encoded = encode(value, copy=copy)
    assert encoded.encoding == "numpy"
    assert encoded.type == "numpy.ndarray"
    assert set(json.loads(encoded.value or b"")) <= {"dtype", "shape", "order", "writeable"}
    assert [len(stored_bytes(buffer)) for buffer in encoded.buffers] == [value.nbytes]
    assert_same(value, restored(encoded, trust="safe"))


@pytest.mark.parametrize("name", [*RAW, *PICKLED])
def test_arrays_inside_other_values_come_back(name: str) -> None:
    """In one pass with everything else."""
    value = (RAW | PICKLED)[name]
    encoded = encode({"tuple": (value, value)})
    assert encoded.encoding == "pickle"
    first, second = restored(encoded)["tuple"]
    assert first is second
    # NumPy's own pickling does not keep every array read-only.
    first.flags.writeable = value.flags.writeable
    assert_same(value, first)


@pytest.mark.parametrize("name", PICKLED)
def test_arrays_of_more_than_bytes_are_pickled(name: str) -> None:
    """What a description in JSON would not give back exactly."""
    value = PICKLED[name]
    encoded = encode(value)
    assert encoded.encoding == "pickle"
    back = restored(encoded)
    assert_same(value, back)
    assert back.dtype.metadata == value.dtype.metadata


def test_a_read_only_array_stays_read_only() -> None:
    """And a writable one writable, on memory of its own."""
    value = np.arange(5)
    value.flags.writeable = False
    assert not restored(encode(value)).flags.writeable
    big = np.arange(100_000)
    big.flags.writeable = False
    nested: Any = restored(encode((big, big.copy())))
    assert [item.flags.writeable for item in nested] == [False, True]


def test_large_arrays_share_memory_until_they_are_written() -> None:
    """No copy is made without need; with copy=True there is nothing shared."""
    array = np.zeros(1_000_000)
    nested = {"a": (array,)}
    shared = [*encode(array).buffers, *encode(nested).buffers[1:]]
    copied = [*encode(array, copy=True).buffers, *encode(nested, copy=True).buffers]
    array[:] = 1
    assert all(bytes(buffer[:8]) == array[:1].tobytes() for buffer in shared)  # type: ignore[index]
    assert b"\xf0\x3f" not in b"".join(map(stored_bytes, copied))
    assert len(shared) == 2


def test_a_decoded_array_takes_the_memory_it_is_given() -> None:
    """The buffers become the arrays' memory, without another copy."""
    array = np.arange(100_000)
    for value in (array, (array,)):
        encoded = encode(value)
        buffers = [stored_bytes(buffer) for buffer in encoded.buffers]
        back: Any = decode(encoded.encoding, encoded.value, buffers)
        back = back[0] if isinstance(back, tuple) else back
        back[0] = 77
        assert buffers[-1][0] == 77


def test_many_small_arrays_are_few_buffers() -> None:
    """They stay in the payload, or the manifest would list every one of them."""
    arrays = tuple(np.full(10, number) for number in range(1000))
    encoded = encode(arrays)
    assert len(encoded.buffers) == 1
    back: Any = restored(encoded)
    assert all((one == other).all() for one, other in zip(back, arrays, strict=True))
    back[0][0] = 5


def test_a_memory_mapped_array_comes_back(tmp_path: Path) -> None:
    """Its contents, no longer tied to the file."""
    mapped = np.memmap(tmp_path / "data", "f8", "w+", shape=(50,))
    mapped[:] = np.arange(50)
    back: Any = restored(encode(mapped))
    assert back.tolist() == list(range(50))
    back[0] = 9
    assert mapped[0] == 0


def test_an_array_that_is_altered_meanwhile_is_whole() -> None:
    """A strided array is copied when it is encoded, so that it can be written later."""
    array = np.arange(10)[::2]
    encoded = encode(array)
    array[:] = 0
    assert restored(encoded).tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b"3",
        b"null",
        b'{"dtype":"O","shape":[2],"order":"C"}',
        b'{"dtype":"|O8","shape":[2],"order":"C"}',
        b'{"dtype":"O,i4","shape":[1],"order":"C"}',
        b'{"dtype":"T","shape":[1],"order":"C"}',
        b'{"dtype":{"names":["a"],"formats":["O"],"offsets":[0],"itemsize":8,"aligned":false},"shape":[2],"order":"C"}',
        b'{"dtype":{"names":["a"],"formats":["<i8"],"offsets":[-8],"itemsize":8,"aligned":false},"shape":[2],"order":"C"}',
        b'{"dtype":{"names":["a"],"formats":["<i8"],"offsets":[8],"itemsize":8,"aligned":false},"shape":[2],"order":"C"}',
        b'{"dtype":"<f8","shape":[3],"order":"C"}',
        b'{"dtype":"<f8","shape":[-2],"order":"C"}',
        b'{"dtype":"<f8","shape":[-2,-1],"order":"C"}',
        b'{"dtype":"<f8","shape":[2.0],"order":"C"}',
        b'{"dtype":"<f8","shape":["2"],"order":"C"}',
        b'{"dtype":"<f8","shape":[2,{}],"order":"C"}',
        b'{"dtype":"<f8","shape":2,"order":"C"}',
        b'{"dtype":"<f8","shape":[2],"order":"K!"}',
        b'{"dtype":"<f8","shape":[' + b"1," * 100 + b'2],"order":"C"}',
        b'{"dtype":"<f8","shape":[4611686018427387904,4],"order":"C"}',
        b'{"dtype":"|S0","shape":[4611686018427387904,4],"order":"C"}',
        b'{"dtype":"<f9","shape":[2],"order":"C"}',
        b'{"dtype":"<M8[Q]","shape":[2],"order":"C"}',
        b'{"dtype":' + b'{"base":' * 900 + b'"<f8"' + b"}" * 900 + b',"shape":[2],"order":"C"}',
    ],
)
def test_an_altered_header_is_a_decode_error(header: bytes) -> None:
    """Whatever it says, nothing is read beyond the buffer and no bytes are taken for pointers."""
    with pytest.raises(DecodeError):
        decode("numpy", header, [bytearray(16)], trust="safe")


def test_a_missing_buffer_is_a_decode_error() -> None:
    """One header, one buffer."""
    header = encode(np.zeros(2)).value
    for buffers in ([], [bytearray(16), bytearray(16)]):
        with pytest.raises(DecodeError):
            decode("numpy", header, buffers)


def test_numpy_is_not_imported_for_a_program_that_does_not_use_it() -> None:
    """Values of other types are encoded without it."""
    source = """
import sys
from lattice_addons.encoding import encode
encode({"a": 1}); encode((1,)); encode(object)
print([name for name in ("numpy", "dill", "cloudpickle") if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, env=clean_environ(), text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_size_is_what_is_stored() -> None:
    """Header and memory."""
    encoded: Encoded = encode(np.zeros(10))
    assert encoded.size == 80 + len(encoded.value or b"")
