"""A value becomes readable JSON where JSON can hold it, raw memory if it is an array, else a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Imported early for what it reads of the running program, which is gone in the save at exit.
import lattice_addons.encoding._references  # noqa: F401
from lattice_addons.encoding._arrays import encode_array, is_array
from lattice_addons.encoding._encoded import Encoded, called, detached, type_name
from lattice_addons.encoding._encoders import encode_own, encoder_for
from lattice_addons.encoding._flow import flowing, flowing_text
from lattice_addons.encoding._placed import in_pickle
from lattice_addons.encoding._plain import to_json
from lattice_addons.encoding._stack import with_room
from lattice_addons.encoding._tree import AsTree, encode_tree, has_tensor
from lattice_addons.errors import EncodeError, LatticeError

if TYPE_CHECKING:
    from lattice_addons.encoding._encoded import Buffer
    from lattice_addons.encoding._encoders import Encoder
    from lattice_addons.encoding._flow import Experience


def encode(
    value: object, *, copy: bool = False, experience: Experience | None = None, most: int = 0
) -> Encoded:
    """Turn a value into bytes; with ``copy`` nothing in the result shares memory with the value.

    With ``experience``, which learns, a pickle of more than ``most`` bytes is a `Flow`: made when it is taken, and
    never whole in memory.
    """
    # One after the other and not each within the except of the one before: the traceback of a RecursionError
    # has as many frames as there was room for, and no error that the program keeps must hold them.
    try:
        return _encoded(value, copy=copy, experience=experience, most=most)
    except RecursionError:
        pass
    problem = ""
    # Nested deeply, or called deep down in the program, as by a signal handler near the recursion limit.
    for deep in (False, True):
        try:
            return with_room(_encoded, value, copy=copy, deep=deep)
        except LatticeError:
            raise
        except (RecursionError, RuntimeError, MemoryError) as error:  # no more threads, no more memory
            problem = str(error)
    kind = type(value.value if type(value) is AsTree else value)
    message = (
        f"a {called(kind)} is nested too deeply to be stored ({problem}): some thousands of objects each "
        f"hold the next; keep them in a list, or give the class a __getstate__ that does"
    )
    raise EncodeError(message, type=type_name(kind), where="value")


def _encoded(
    value: object, *, copy: bool, deep: bool = False, experience: Experience | None = None, most: int = 0
) -> Encoded:
    given, value = value, value.value if type(value) is AsTree else value
    kind = type(value)
    plain = _plain(value) if experience is None else flowing_text(value, experience)
    if plain is not None:
        return plain
    encoder = encoder_for(kind)
    if encoder is not None:
        return _by_encoder(encoder, value, copy=copy)
    if is_array(value):
        array = encode_array(value, copy=copy)  # type: ignore[arg-type]
        if array is not None:
            return Encoded("numpy", type_name(kind), array[0], (array[1],))
    tree = encode_tree(value) if given is not value or has_tensor(value) else None
    if tree is not None:
        return Encoded("tree", type_name(kind), *_own(tree, copy=copy))
    # Plain data never needs pickle, nor 6 ms to import it.
    from lattice_addons.encoding._pickles import pickled

    flow = flowing(value, experience, most) if experience is not None else None
    if flow is not None:
        return flow
    encoding, buffers = pickled(value, copy=copy, deep=deep)
    return Encoded(encoding, type_name(kind), None, buffers, in_pickle(value, buffers))


def _plain(value: object) -> Encoded | None:
    text = to_json(value)
    return None if text is None else Encoded("json", type_name(type(value)), text, ())


def _own(tree: tuple[bytes, tuple[Buffer, ...]], *, copy: bool) -> tuple[bytes, tuple[Buffer, ...]]:
    header, buffers = tree
    return header, tuple(map(detached, buffers)) if copy else buffers


def _by_encoder(encoder: Encoder, value: object, *, copy: bool) -> Encoded:
    kind = type_name(type(value))
    try:
        header, buffers = encode_own(encoder, value, copy=copy)
    except (LatticeError, RecursionError):
        raise
    except Exception as error:  # the encoder is the program's: it may raise anything
        problem = f"{type(error).__name__}: {error}"
        message = f"the encoder {encoder.name!r} could not store a {called(type(value))} ({problem})"
        raise EncodeError(message, type=kind, where="value") from error
    return Encoded(encoder.name, kind, header, buffers)
