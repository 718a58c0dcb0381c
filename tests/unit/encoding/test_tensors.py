"""Torch tensors are stored as the raw memory of their storages, which stay shared."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from collections import Counter, OrderedDict
from types import ModuleType
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import numpy as np  # noqa: E402 - as above

from lattice_addons.checkpoint import Fresh  # noqa: E402
from lattice_addons.checkpoint._detach import detach  # noqa: E402
from lattice_addons.encoding import AsTree, Encoded, Stream, decode, encode, is_own, tensors_on  # noqa: E402 - after the skip
from lattice_addons.encoding._storages import _own_kind  # noqa: E402
from lattice_addons.errors import DecodeError, EncodeError, UntrustedError  # noqa: E402
from lattice_addons.testing._encoders import restored as made_again  # noqa: E402
from tests.program import clean_environ  # noqa: E402

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore:.* support is experimental and many operators:UserWarning"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks are implicitly disabled:UserWarning"),
    pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*[Qq]uantiz.*:Warning"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype:UserWarning"),
]

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")


def restored(encoded: Any, trust: str) -> Any:
    """Make a stored value again."""
    return made_again(encoded, trust=trust)


def stored_bytes(encoded: Any) -> list[bytes]:
    """Give what is stored of a value, buffer by buffer."""
    return [b"".join(one.pieces()) if isinstance(one, Stream) else bytes(one) for one in encoded.buffers]


def read_back(value: object, trust: str = "safe", *, as_tree: bool = False) -> Any:
    """Store a value and make it again."""
    return restored(encode(AsTree(value) if as_tree else value), trust)


def raw(tensor: Any) -> bytes:
    """Give the bits of the elements of a tensor that has a memory of its own."""
    plain = tensor.resolve_conj().resolve_neg().detach().cpu().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""


def dtypes() -> list[Any]:
    """Give every dtype of this torch that a plain tensor can have."""
    found = {id(each): each for each in vars(torch).values() if isinstance(each, torch.dtype)}
    return [dtype for dtype in found.values() if not str(dtype).startswith(("torch.q", "torch.bits"))]


def filled(dtype: Any) -> Any:
    """Give a tensor of any dtype, with bits that differ."""
    empty = torch.empty(6, dtype=dtype)
    memory = torch.empty(0, dtype=torch.uint8).set_(empty.untyped_storage())
    memory.copy_(torch.arange(memory.numel()) % 2 if dtype is torch.bool else torch.arange(memory.numel()))
    return empty


def bits(tensor: Any) -> bytes:
    """Give all of a tensor's storage."""
    flat = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
    return bytes(flat.numpy())


@pytest.mark.parametrize("dtype", dtypes(), ids=str)
def test_every_dtype_comes_back_bit_by_bit(dtype: Any) -> None:
    """Every type of elements that this torch has, the eight-bit floats among them, keeps its bits, without pickle."""
    given = filled(dtype)
    back = read_back(given)
    assert (back.dtype, back.shape, bits(back)) == (dtype, given.shape, bits(given))


@pytest.mark.parametrize("dtype", dtypes(), ids=str)
def test_every_dtype_comes_back_bit_by_bit_in_a_pickle(dtype: Any) -> None:
    """Beside what only pickle can keep, and with a view of the same memory."""
    given = filled(dtype)
    back = read_back([given, given[1:], dtypes], trust="pickle")
    assert (back[0].dtype, back[0].shape, bits(back[0])) == (dtype, given.shape, bits(given))
    assert back[1].untyped_storage().data_ptr() == back[0].untyped_storage().data_ptr()


LOOKS = {
    "transposed": lambda: torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
    "strided": lambda: torch.arange(10)[::3],
    "inner columns": lambda: torch.arange(20).reshape(4, 5)[:, 1:3],
    "broadcast": lambda: torch.arange(3.0).expand(4, 3),
    "channels last": lambda: torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "channels last of one pixel": lambda: torch.randn(1, 3, 1, 1).to(memory_format=torch.channels_last),
    "scalar": lambda: torch.tensor(3.5),
    "empty": lambda: torch.empty(0, 3),
    "empty view": lambda: torch.arange(5)[3:3],
    "conjugate": lambda: torch.tensor([1 + 2j, 3 - 4j]).conj(),
    "negated": lambda: torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
    "large": lambda: torch.arange(100_000.0)[7:],
    "leaf with gradient": lambda: torch.ones(3, requires_grad=True),
    "frozen parameter": lambda: torch.nn.Parameter(torch.ones(3), requires_grad=False),
    "parameter": lambda: torch.nn.Parameter(torch.ones(3)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_tensor_looks_at_its_storage_as_before(look: str) -> None:
    """Shape, strides, class and what autograd is to do are as they were: kernels choose their way by them."""
    given = LOOKS[look]()
    back = read_back(given)
    assert raw(back) == raw(given)
    assert (type(back), back.shape, back.stride()) == (type(given), given.shape, given.stride())
    assert (back.requires_grad, back.is_conj(), back.is_neg()) == (
        given.requires_grad,
        given.is_conj(),
        given.is_neg(),
    )


SPARSE = {
    "coo": lambda: torch.sparse_coo_tensor([[0, 1, 1], [2, 0, 0]], [3.0, 4.0, 5.0], (2, 3)),
    "coalesced": lambda: torch.eye(3).to_sparse(),
    "hybrid": lambda: torch.sparse_coo_tensor([[0, 2]], torch.ones(2, 4), (3, 4)),
    "csr": lambda: torch.eye(4).to_sparse_csr(),
    "csc": lambda: torch.eye(4).to_sparse_csc(),
    "bsr": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "bsc": lambda: torch.eye(4).to_sparse_bsc((2, 2)),
    "without elements": lambda: torch.sparse_coo_tensor(size=(2, 3)),
    "with gradient": lambda: torch.eye(3).to_sparse().requires_grad_(),
}


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_tensors_stay_sparse(layout: str) -> None:
    """Layout, indices as they were, and whether each stands there once."""
    given = SPARSE[layout]()
    back = read_back(given)
    assert (back.layout, back.shape, back.dtype) == (given.layout, given.shape, given.dtype)
    assert back.requires_grad == given.requires_grad
    assert torch.equal(back.detach().to_dense(), given.detach().to_dense())
    if given.layout is torch.sparse_coo:
        assert back.is_coalesced() == given.is_coalesced()
        assert torch.equal(back._indices(), given._indices())


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_tensors_come_back_where_they_were(layout: str) -> None:
    """And not onto the device that a program has made the default one."""
    given = SPARSE[layout]()
    with torch.device("meta"):
        back = read_back(given)
    assert back.device == given.device
    assert torch.equal(back.detach().to_dense(), given.detach().to_dense())


def test_quantised_tensors_keep_their_scales() -> None:
    """By tensor and by channel: the integers and what they stand for."""
    whole = torch.quantize_per_tensor(torch.randn(4, 3), 0.1, 3, torch.quint8)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2])
    by_channel = torch.quantize_per_channel(torch.randn(4, 3), scales, zeros, 1, torch.qint8)
    for given in (whole, by_channel):
        back = read_back(given)
        assert back.dtype == given.dtype
        assert back.qscheme() == given.qscheme()
        assert torch.equal(back.int_repr(), given.int_repr())
        assert torch.equal(back.dequantize(), given.dequantize())


def test_meta_tensors_have_no_memory() -> None:
    """Only what they would look like is stored."""
    encoded = encode(torch.empty(1_000_000, 2, device="meta").t())
    back = restored(encoded, "safe")
    assert sum(map(len, stored_bytes(encoded))) < 1000
    assert (back.device.type, back.shape, back.stride()) == ("meta", (2, 1_000_000), (1, 2))


def test_what_shares_memory_shares_it_again() -> None:
    """A tensor, its views, a parameter on it and an array seen twice: what is written to one shows in the others."""
    whole = torch.arange(40_000.0)
    array = np.arange(6)
    given = {
        "whole": whole,
        "again": whole,
        "part": whole[10:20],
        "bytes": whole.view(torch.uint8),
        "parameter": torch.nn.Parameter(whole),
        "seen": torch.from_numpy(array),
        "seen again": torch.from_numpy(array),
    }
    encoded = encode(given)
    back: Any = restored(encoded, "safe")
    assert sum(map(len, stored_bytes(encoded))) < 1.1 * whole.nbytes
    assert back["whole"] is back["again"]
    back["part"][0] = -1
    back["seen"][2] = -1
    assert back["whole"][10] == back["parameter"][10] == -1
    assert raw(back["bytes"]) == raw(back["whole"])
    assert back["seen again"][2] == -1


def test_views_of_other_types_keep_their_places() -> None:
    """A view of four bytes an element begins where it did, also where another one begins a byte after nothing."""
    memory = torch.arange(200, dtype=torch.uint8)
    given = [memory[101:150], memory[104:112].view(torch.int32), memory[112:128].view(torch.float64)]
    assert [raw(tensor) for tensor in read_back(given)] == [raw(tensor) for tensor in given]


def test_a_small_view_of_much_memory_is_small() -> None:
    """Only what tensors show of a storage is stored, with what lies between."""
    large = torch.arange(1_000_000.0)
    encoded = encode([large[1000:1010], large[1020:1030]])
    first, second = restored(encoded, "safe")
    assert sum(map(len, stored_bytes(encoded))) < 1000
    assert (raw(first), raw(second)) == (raw(large[1000:1010]), raw(large[1020:1030]))
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


def test_nothing_is_copied_that_need_not_be() -> None:
    """The memory of large tensors is written from where it lies, and becomes theirs when it is read."""
    given = {"weight": torch.zeros(100_000), "view": torch.zeros(200, 200).t(), "bias": torch.zeros(3)}
    encoded = encode(given)
    assert [type(buffer) for buffer in encoded.buffers] == [bytes, memoryview, memoryview]
    given["weight"][5] = 7
    assert np.frombuffer(cast("memoryview", encoded.buffers[1]), np.float32)[5] == 7
    # Of this size, memory that is read into is the system's own pages.
    pages = torch.empty(1_000_000, dtype=torch.uint8)
    encoded = encode(pages)
    memory = bytearray(pages.numel() + 64)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % 64
    buffer = memoryview(memory)[start : start + pages.numel()]
    back: Any = decode("tree", encoded.value, [buffer], trust="safe")
    back[3] = 9
    assert buffer[3] == 9


def test_what_is_read_lies_as_torch_would_lay_it() -> None:
    """At multiples of 64 bytes: elsewhere a kernel may take its sums in another order."""
    given = [torch.randn(n) for n in (1, 3, 5, 5000, 70_000)]
    encoded = encode(given)
    for offset in (0, 1, 8, 16):
        buffers = []
        for data in stored_bytes(encoded):
            memory = bytearray(offset) + data
            buffers.append(memoryview(memory)[offset:])
        back: Any = decode(encoded.encoding, encoded.value, buffers, trust="safe")
        assert [tensor.data_ptr() % 64 for tensor in back] == [0] * 5
        assert [raw(tensor) for tensor in back] == [raw(tensor) for tensor in given]


def trained() -> tuple[Any, Any]:
    """Give a model and an optimizer that has made a step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.BatchNorm1d(20), torch.nn.Linear(20, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.8, 0.9))
    model(torch.randn(8, 30)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_state_dicts_are_read_without_pickle() -> None:
    """An ordered dict with the versions of its modules, and one with numbers for keys, tuples and options in it."""
    model, optimizer = trained()
    back, options = read_back(model.state_dict()), read_back(optimizer.state_dict())
    assert type(back) is OrderedDict
    assert list(back) == list(model.state_dict())
    assert vars(back)["_metadata"] == model.state_dict()._metadata
    assert options["param_groups"] == optimizer.state_dict()["param_groups"]
    assert list(options["state"]) == list(range(6))
    fresh, other = copy.deepcopy(model), torch.optim.AdamW(model.parameters())
    fresh.load_state_dict(back)
    other.load_state_dict(options)
    for (_, given), (_, read) in zip(model.state_dict().items(), fresh.state_dict().items(), strict=True):
        assert raw(given) == raw(read)
    assert raw(other.state_dict()["state"][0]["exp_avg"]) == raw(
        optimizer.state_dict()["state"][0]["exp_avg"]
    )


OTHERS: dict[str, Any] = {
    "options without tensors": {
        0: (0.9, 0.999),
        "foreach": None,
        "eps": 1e-8,
        "milestones": Counter({30: 1}),
    },
    "sets": {"set": {1, 2}, "frozen": frozenset({"a"})},
    "no JSON": [b"\0\xff", 1 + 2j, float("nan"), 2**70, ("$x", {"$tensor": 0})],
    "of torch": [torch.Size((2, 3)), torch.bfloat16, torch.device("cuda:1")],
    "of NumPy": [np.float32(0.1), np.int64(-3), np.arange(6).reshape(2, 3), np.asfortranarray(np.eye(300))],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_stands_beside_tensors_is_read_without_pickle(kind: str) -> None:
    """What state dicts have besides: numbers and options of every kind, with their types."""
    back = read_back([OTHERS[kind], torch.ones(2)])[0]
    assert repr(back) == repr(OTHERS[kind])
    assert repr(read_back(OTHERS[kind], as_tree=True)) == repr(OTHERS[kind])


class Tagged(torch.Tensor):  # type: ignore[name-defined]
    """A subclass of a program's own."""


class Holder:
    """An object that is no tree."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)


def test_objects_that_hold_tensors_share_them_too() -> None:
    """In a pickle the bytes stand beside it, once, whatever holds them; a module's tied weights stay tied."""
    model, _ = trained()
    weight = torch.arange(50_000.0)
    model.weight = torch.nn.Parameter(weight)
    array = np.arange(6)
    seen = [torch.from_numpy(array), torch.from_numpy(array)]
    encoded = encode(Holder(model=model, first=model[0].weight, weight=weight, part=weight[5:], seen=seen))
    back: Any = restored(encoded, "pickle")
    assert encoded.encoding == "pickle"
    assert sum(map(len, stored_bytes(encoded))) < 1.2 * weight.nbytes
    assert any(
        isinstance(buffer, memoryview) and buffer.nbytes == weight.nbytes for buffer in encoded.buffers
    )
    assert back.first is back.model[0].weight
    back.weight[5] = -1
    assert back.part[0] == -1
    back.seen[0][2] = -1
    assert back.seen[1][2] == -1
    assert back.model.weight[5] == -1
    with pytest.raises(UntrustedError):
        restored(encoded, "safe")


def test_subclasses_come_back_as_what_they_are() -> None:
    """By reference to their class, with their attributes; so do tensors that have some."""
    tagged = torch.arange(5.0).as_subclass(Tagged)
    tagged.tag = "x"
    plain = torch.arange(5.0)
    plain.tag = [1]
    back, other = read_back([tagged, plain], "pickle")
    assert (type(back), back.tag, raw(back)) == (Tagged, "x", raw(tagged))
    assert (type(other), other.tag) == (torch.Tensor, [1])


def test_nested_tensors_keep_their_parts() -> None:
    """A tensor of tensors has no strides; torch's own description of it is stored, its memory as it is."""
    given = torch.nested.nested_tensor([torch.ones(2), torch.zeros(3)])
    back = read_back(given, "pickle")
    assert [raw(part) for part in back.unbind()] == [raw(part) for part in given.unbind()]


def test_the_same_container_at_two_places_stays_one() -> None:
    """As the rates of torch's SequentialLR; nothing is pickled for that."""
    inner: dict[Any, Any] = {2: torch.ones(2)}
    shared: list[Any] = [float("inf"), {"$key": 2**70}, inner]
    back = read_back({"a": shared, "b": (shared, [inner]), "c": OrderedDict(d=shared)})
    assert back["a"][:2] == [float("inf"), {"$key": 2**70}]
    assert back["a"] is back["b"][0] is back["c"]["d"]
    assert back["a"][2] is back["b"][1][0]
    assert torch.equal(back["a"][2][2], torch.ones(2))


def test_tuples_that_share_tuples_are_written_once() -> None:
    """Thirty levels of pairs of the same are no billion of parts; and what has only numbers stands where it is."""
    pair: Any = (1, "x")
    some: Any = frozenset(pair)
    for _ in range(30):
        pair, some = (pair, pair), frozenset({(some,), (some, some)})
    rates = (0.9, 0.99)
    encoded = encode({"x": torch.ones(2), "pair": pair, "some": some, "rates": [rates, rates]})
    assert (encoded.encoding, len(encoded.value or b"") < 20_000) == ("tree", True)
    back: Any = restored(encoded, "safe")
    assert back["rates"] == [rates, rates]
    one, more = back["pair"], back["some"]
    for _ in range(29):
        (less, *_), (same, again) = sorted(more, key=len)
        assert one[0] is one[1]
        assert less is same is again
        one, more = one[0], less
    leaf = frozenset((1, "x"))
    assert (one, more) == (((1, "x"), (1, "x")), {(leaf,), (leaf, leaf)})


def test_a_container_within_itself_is_pickled() -> None:
    """There is no tree of it, however it comes about."""
    inner: dict[str, Any] = {"tensor": torch.ones(2)}
    outer = [inner]
    inner["outer"] = outer
    encoded = encode([outer, inner])
    assert encoded.encoding == "pickle"
    back: Any = restored(encoded, "pickle")
    assert back[1]["outer"] is back[0]


def test_a_copy_shares_nothing() -> None:
    """What was asked to be detached stays what it was."""
    tensor = torch.zeros(50_000)
    encoded = encode({"x": tensor, "y": tensor[:3].clone()}, copy=True)
    tensor += 1
    assert not restored(encoded, "safe")["x"].any()


def altered(change: Any) -> tuple[bytes, list[bytearray]]:
    """Give what is stored of two tensors with a description that was changed."""
    encoded = encode({"x": torch.arange(10), "s": torch.eye(3).to_sparse()})
    header = json.loads(encoded.value or b"")
    change(header)
    return json.dumps(header).encode(), [bytearray(data) for data in stored_bytes(encoded)]


FALSE = {
    "longer than its memory": lambda header: header["tensors"][0].update(shape=[11]),
    "beyond its memory": lambda header: header["tensors"][0].update(offset=1),
    "far beyond": lambda header: header["tensors"][0].update(strides=[2**40]),
    "before its memory": lambda header: header["tensors"][0].update(offset=-1),
    "backwards": lambda header: header["tensors"][0].update(strides=[-1]),
    "memory that is not there": lambda header: header["tensors"][0].update(memory=17),
    "memory from the end": lambda header: header["tensors"][0].update(memory=-1),
    "more than the buffer": lambda header: header["memory"][0].__setitem__(0, 10**6),
    "no such buffer": lambda header: header["memory"][0].__setitem__(1, -1),
    "no dtype": lambda header: header["tensors"][0].update(dtype="load"),
    "no layout": lambda header: header["tensors"][-1].update(layout="save"),
    "indices that lead out": lambda header: header["tensors"][-1].update(shape=[2, 2]),
    "a part of itself": lambda header: header["tensors"][-1].update(parts=[3, 2]),
    "no word": lambda header: header.update(tree={"call": "os.system"}),
    "no tensor": lambda header: header.update(tree={"tensor": 99}),
    "no tensors": lambda header: header.pop("tensors"),
    "a container within itself": lambda header: header.update(tree={"shared": 0}, shared=[[{"shared": 0}]]),
    "no shared container": lambda header: header.update(tree={"shared": 0}, shared=[]),
    "no tree": lambda header: header.pop("tree"),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_false_description_reads_no_memory_of_others(what: str) -> None:
    """Whoever can write to the store chooses the description: nothing beyond the stored bytes is shown, or run."""
    header, buffers = altered(FALSE[what])
    with pytest.raises(DecodeError):
        decode("tree", header, buffers, trust="safe")


def test_tensors_go_where_they_are_asked_for() -> None:
    """A device that is asked for counts before the one where they were; storages stay shared there."""
    whole = torch.arange(5.0)
    encoded = encode([whole, whole[2:]])
    with tensors_on("meta"):
        first, second = restored(encoded, "safe")
    assert (first.device.type, second.device.type) == ("meta", "meta")


def test_a_device_that_is_not_there_is_the_cpu(caplog: pytest.LogCaptureFixture) -> None:
    """What was on a device of another machine is read all the same, and it is said once."""
    encoded = encode(torch.arange(5.0))
    header = json.loads(encoded.value or b"")
    header["memory"][0].append("cuda:98")
    with caplog.at_level("INFO", logger="lattice_addons.encoding"):
        back: Any = decode("tree", json.dumps(header).encode(), [bytearray(encoded.buffers[0])], trust="safe")  # type: ignore[arg-type]
    assert back.device.type == "cpu"
    assert raw(back) == raw(torch.arange(5.0))
    assert "cuda:98" in caplog.text


def test_what_came_from_a_device_is_not_copied_again() -> None:
    """Its copy on the host is nobody else's: an asynchronous save takes it as it is, another array's memory not."""
    array = np.zeros(100_000, np.uint8)
    own, others = memoryview(array.view(_own_kind())), memoryview(array)
    assert is_own(own.cast("B")[5:])
    assert not is_own(others)
    fresh = {"x": Fresh("StateManager", Encoded("tree", "", b"{}", (own, others)))}
    kept = detach(fresh, {}, lambda chunk: chunk, 10**9)["x"]  # type: ignore[index]
    taken = kept.encoded.buffers  # type: ignore[union-attr]
    assert taken[0] is own
    assert taken[1] is not others


@pytest.mark.parametrize("size", [3, 100_000])
def test_memory_that_was_let_go_of_is_not_read(size: int) -> None:
    """What shards a model takes it from its tensors; they keep their shapes."""
    tensor = torch.ones(size)
    tensor.untyped_storage().resize_(8)
    with pytest.raises(EncodeError, match=f"shows {4 * size} bytes of a storage that has 8"):
        encode({"tensor": tensor})


@gpu
def test_tensors_of_a_gpu_come_back_to_it() -> None:
    """Their bytes come to the host through pinned memory, and go to where they were, or where they are asked for."""
    whole = torch.arange(100_000.0, device="cuda")
    encoded = encode({"whole": whole, "part": whole[5:], "here": torch.ones(2)})
    back: Any = restored(encoded, "safe")
    with tensors_on("cpu"):
        here: Any = restored(encoded, "safe")
    assert (back["whole"].device, back["here"].device.type) == (whole.device, "cpu")
    back["part"][0] = -1
    assert back["whole"][5] == -1
    assert here["whole"].device.type == "cpu"
    assert raw(here["whole"]) == raw(whole)


def test_older_pickles_of_tensors_are_still_read() -> None:
    """What Python's own pickle made of a tensor, within a value, is what earlier versions stored."""
    data = bytearray(pickle.dumps({"x": torch.arange(3)}, protocol=5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back: Any = decode("pickle", None, [data])
    assert raw(back["x"]) == raw(torch.arange(3))


def test_who_has_no_tensors_imports_no_torch() -> None:
    """A program that has not imported torch stores and reads what it has without it."""
    source = (
        "import sys\n"
        "from lattice_addons.encoding import AsTree, decode, encode\n"
        "encoded = encode(AsTree({1: (2, 3)}))\n"
        "print(encoded.encoding, decode(encoded.encoding, encoded.value, encoded.buffers, trust='safe'))\n"
        "print({'torch', 'numpy', 'pickle'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", source]
    ended = subprocess.run(command, capture_output=True, text=True, env=clean_environ(), check=False)
    assert ended.stdout == "tree {1: (2, 3)}\nset()\n", ended.stderr


def test_torch_that_another_thread_imports_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is among the modules before it has any of its parts."""
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert json.loads(encode(AsTree([np.float32(1)])).value or b"")["tree"][0]["scalar"][0] == "<f4"
