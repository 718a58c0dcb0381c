"""Stored bytes become the value again, if what wrote them is trusted that far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice_addons.encoding._arrays import decode_array
from lattice_addons.encoding._encoders import PICKLES, decode_own, is_safe
from lattice_addons.encoding._plain import from_json
from lattice_addons.errors import DecodeError, LatticeError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUSTING = frozenset({"pickle", "signed"})


def needs_pickle(encoding: str) -> bool:
    """Tell whether reading this encoding may run code that the stored bytes choose."""
    return encoding in PICKLES or not is_safe(encoding)


def decode(
    encoding: str,
    value: bytes | None,
    buffers: Sequence[bytearray | memoryview],
    *,
    trust: str = "pickle",
    type: str = "",  # noqa: A002  the manifest's word for it
) -> object:
    """Make a value again from its JSON text (or header) and its buffers, which become its memory.

    Where the text was too long for the manifest (``value`` is None), it is the first buffer.
    """
    if trust not in _TRUSTING and needs_pickle(encoding):
        raise _untrusted(encoding, type)
    if encoding in PICKLES:
        from lattice_addons.encoding._pickles import unpickled

        return unpickled(buffers, type)
    if value is None and encoding == "json" and buffers:
        return from_json(buffers[0])  # which may be long: without a copy
    if value is None:
        value, buffers = _first(buffers, encoding, type)
    if encoding == "json":
        return from_json(value)
    if encoding == "numpy":
        return decode_array(value, buffers, type)
    if encoding == "tree":
        from lattice_addons.encoding._tree_back import decode_tree

        return decode_tree(value, buffers, type)
    try:
        return decode_own(encoding, value, buffers, type)
    except LatticeError:
        raise
    except Exception as error:  # the encoder is the program's: it may raise anything
        text = f"the encoder {encoding!r} could not read a stored {type or 'value'}"
        message = f"{text} ({error.__class__.__name__}: {error}). Its bytes are kept in the checkpoint"
        raise DecodeError(message, type=type) from error


def _untrusted(encoding: str, type: str) -> UntrustedError:  # noqa: A002 - as above
    message = (
        f"a stored {type or 'value'} is encoded with {encoding!r}, and reading that can run any code; "
        f"with trust=safe it is not read. If you trust who wrote the store, set trust=pickle (or "
        f"trust=signed with LATTICE_CHECKPOINT_KEY); else keep plain data, NumPy arrays or types with a "
        f"safe encoder in the slot"
    )
    return UntrustedError(message, key=type)


def _first(
    buffers: Sequence[bytearray | memoryview], encoding: str, kind: str
) -> tuple[bytes, Sequence[bytearray | memoryview]]:
    if not buffers:
        message = f"a stored {kind or 'value'} ({encoding}) has no bytes; `lattice verify` checks the store"
        raise DecodeError(message, type=kind)
    return bytes(buffers[0]), buffers[1:]
