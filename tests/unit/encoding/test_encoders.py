"""Encoders of the program's own types."""

# ruff: noqa: D105, ARG005  encoders for values of any type

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons.encoding import Encoder, Stream, decode, encode, needs_pickle, register_encoder
from lattice_addons.encoding import _encoders as registry
from lattice_addons.errors import DecodeError, EncodeError, UntrustedError
from lattice_addons.testing import EncoderContract
from lattice_addons.testing._encoders import restored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(autouse=True)
def _registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_by_name", dict(registry._by_name))
    monkeypatch.setattr(registry, "_by_type", dict(registry._by_type))


@dataclasses.dataclass
class Image:
    """A type with raw memory."""

    width: int
    pixels: bytearray


class Animation(Image):
    """A subclass."""


class ImageEncoder(Encoder):
    """Header and one buffer."""

    name = "image"
    types: tuple[type, ...] = (Image,)

    def encode(self, value: Image) -> tuple[Any, list[Any]]:
        """Width and class, then the pixels."""
        return {"width": value.width, "animated": isinstance(value, Animation)}, [value.pixels]

    def decode(self, header: Any, buffers: Sequence[bytearray | memoryview]) -> Image:
        """Make the image again."""
        return (Animation if header["animated"] else Image)(header["width"], bytearray(buffers[0]))


class Words:
    """A type whose bytes are read in pieces."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and other.words == self.words

    __hash__ = None  # type: ignore[assignment]


class WordStream(Stream):
    """A word a piece."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.size = len(words.encode())

    def pieces(self) -> Iterator[bytes]:
        """Give the words with their spaces."""
        for word in self.words.splitlines(keepends=True):
            yield word.encode()


class WordsEncoder(Encoder):
    """No header; a stream; not safe."""

    name = "words"
    types = (Words,)
    safe = False

    def encode(self, value: Words) -> tuple[None, tuple[Stream]]:
        """Nothing to say beside the words."""
        return None, (WordStream(value.words),)

    def decode(self, header: None, buffers: Sequence[bytearray | memoryview]) -> Words:
        """Read them back."""
        assert header is None
        return Words(bytes(buffers[0]).decode())


class TestImageEncoder(EncoderContract):
    """A safe encoder with a buffer that can be changed."""

    encoder = ImageEncoder()

    def values(self) -> list[Image]:
        """An empty, a small and a large one, and one of a subclass."""
        return [
            Image(0, bytearray()),
            Image(2, bytearray(b"ab")),
            Image(9, bytearray(100_000)),
            Animation(1, bytearray(1)),
        ]


class TestWordsEncoder(EncoderContract):
    """An unsafe encoder with a stream."""

    encoder = WordsEncoder()

    def values(self) -> list[Words]:
        """None, and many."""
        return [Words(""), Words("a\nb c\n" * 1000)]


def test_large_buffers_inside_other_values_are_not_copied() -> None:
    """They go out of band, as those of arrays do."""
    register_encoder(ImageEncoder())
    image = Image(1, bytearray(100_000))
    encoded = encode({"image": (image, np.zeros(100_000))})
    assert encoded.encoding == "pickle"
    assert len(encoded.buffers) == 3
    image.pixels[0] = 7
    assert encoded.buffers[1][0] == 7  # type: ignore[index]


def test_the_nearest_class_wins() -> None:
    """An encoder of a subclass is preferred for it, whichever was registered last."""

    class AnimationEncoder(ImageEncoder):
        name = "animation"
        types = (Animation,)

    register_encoder(AnimationEncoder())
    register_encoder(ImageEncoder())
    assert encode(Animation(1, bytearray())).encoding == "animation"
    assert encode(Image(1, bytearray())).encoding == "image"


def test_an_array_may_have_an_encoder_of_its_own() -> None:
    """The program knows best."""

    class ArrayEncoder(Encoder):
        name = "compressed"
        types = (np.ndarray,)

        def encode(self, value: Any) -> tuple[Any, list[Any]]:
            return list(value.shape), [value]

        def decode(self, header: Any, buffers: Sequence[Any]) -> Any:
            return np.frombuffer(buffers[0]).reshape(header)

    register_encoder(ArrayEncoder())
    value = np.arange(6.0).reshape(2, 3)
    assert encode(value).encoding == "compressed"
    assert (restored(encode(value)) == value).all()
    with pytest.raises(EncodeError, match="no contiguous memory"):
        encode(value.T)


def test_the_same_name_again_replaces_the_encoder() -> None:
    """A notebook cell that is run twice, or a module that is loaded again."""
    register_encoder(ImageEncoder())
    second = ImageEncoder()
    second.types = (Words,)
    register_encoder(second)
    assert encode(Image(1, bytearray())).encoding == "pickle"
    with pytest.raises(EncodeError, match="'image' could not store"):
        encode(Words(""))


def bad(**named: Any) -> Encoder:
    """Make an encoder with something wrong about it."""
    return type("BadEncoder", (ImageEncoder,), named)()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "encoder",
    [
        ImageEncoder,
        object(),
        bad(name=None),
        bad(name=""),
        bad(name="Image"),
        bad(name="a/b"),
        bad(name="x" * 100),
        bad(name="pickle"),
        bad(name="json"),
        bad(types=Image),
        bad(types=()),
        bad(types=[Image]),
        bad(types=("Image",)),
        bad(types=(dict,)),
        bad(types=(Image, object)),
    ],
    ids=lambda encoder: f"{getattr(encoder, 'name', '')!r:.20} {getattr(encoder, 'types', '')!r:.60}",
)
def test_an_encoder_that_cannot_work_is_refused(encoder: Any) -> None:
    """When it is registered, and not at the first save."""
    before = dict(registry._by_name), dict(registry._by_type)
    with pytest.raises(EncodeError):
        register_encoder(encoder)
    assert (registry._by_name, registry._by_type) == before


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "not \\(header, list of buffers\\)"),
        ({"a": 1}, "not \\(header, list of buffers\\)"),
        (({}, None), "not \\(header, list of buffers\\)"),
        (({}, [], 1), "not \\(header, list of buffers\\)"),
        (((1, 2), []), "not plain data"),
        (({"a": np.float64(1)}, []), "not plain data"),
        (({}, ["text"]), "no contiguous memory"),
        (({}, [[1, 2]]), "no contiguous memory"),
        (({}, [memoryview(b"abcd")[::2]]), "no contiguous memory"),
    ],
)
def test_a_bad_result_is_named(result: Any, text: str) -> None:
    """The error says which encoder did what, at top level and inside other values."""
    register_encoder(bad(encode=lambda self, value: result))
    for value in (Image(1, bytearray()), [Image(1, bytearray())]):
        with pytest.raises(EncodeError, match=f"the encoder 'image' .*{text}"):
            encode(value)


def test_an_encoder_that_raises_is_named() -> None:
    """With what it raised as the cause."""

    def fail(*args: Any) -> Any:
        raise ZeroDivisionError(str(len(args)))

    good = encode_image(ImageEncoder())
    register_encoder(bad(encode=fail, decode=fail))
    with pytest.raises(EncodeError, match=r"'image' could not store .*ZeroDivisionError") as caught:
        encode(Image(1, bytearray()))
    assert type(caught.value.__cause__) is ZeroDivisionError
    with pytest.raises(EncodeError, match="ZeroDivisionError") as caught:
        encode({"a": [Image(1, bytearray())]})
    assert caught.value.where == "value['a'][0]"
    with pytest.raises(DecodeError, match=r"'image' could not read .*kept in the checkpoint"):
        decode("image", good, [bytearray(b"x")])


def encode_image(encoder: Encoder) -> bytes:
    """Give the header of an image."""
    register_encoder(encoder)
    header = encode(Image(1, bytearray(b"x"))).value
    assert header is not None
    return header


def test_an_encoder_that_is_not_registered_is_named() -> None:
    """The value stays in the store until it is."""
    with pytest.raises(
        DecodeError, match=r"no encoder named 'unheard-of' .*register_encoder.*kept in the checkpoint"
    ):
        decode("unheard-of", b"{}", [])
    register_encoder(ImageEncoder())
    nested = encode([Image(1, bytearray(b"x"))])
    registry._by_name.clear()
    with pytest.raises(DecodeError, match="no encoder named 'image'"):
        restored(nested)


def test_a_long_header_may_be_the_first_buffer() -> None:
    """As with JSON."""
    header = encode_image(ImageEncoder())
    assert decode("image", None, [bytearray(header), bytearray(b"xy")]) == Image(1, bytearray(b"xy"))


def test_who_needs_pickle() -> None:
    """Pickles do, and encoders that are not safe."""
    register_encoder(ImageEncoder())
    register_encoder(WordsEncoder())
    needing = [
        name
        for name in ("json", "numpy", "image", "words", "pickle", "cloudpickle", "dill")
        if needs_pickle(name)
    ]
    assert needing == ["words", "pickle", "cloudpickle", "dill"]
    with pytest.raises(UntrustedError, match="trust=safe"):
        restored(encode(Words("")), trust="safe")
