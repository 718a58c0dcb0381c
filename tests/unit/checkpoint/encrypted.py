"""Lines that encrypt, and what of a store can be read by who has no key."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.unit.checkpoint.lines import line_of

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Checkpoint, Line
    from lattice_addons.storage import Store

SECRET = b"a secret that is long enough"
OTHER = b"another secret, of some length"
#: Stands in values, names, arguments and files, and nowhere on a disk.
MARKER = "Marker-7f3a-of-values"


def encrypted(store: Store, secret: bytes | None = SECRET, **settings: object) -> Line:
    """Give a line that encrypts."""
    return line_of(store, encryption_key=secret, **settings)  # type: ignore[arg-type]


def shows(data: bytes, marker: str = MARKER) -> bool:
    """Say whether bytes give the marker away: as it is, in UTF-16 or -32, in hexadecimal, or in base 64."""
    text = marker.encode()
    # In base 64 a text has three forms, by where it begins; what is around it has part in its first and last letters.
    forms = [base64.b64encode(b"\0" * shift + text)[4:-4] for shift in range(3)]
    forms += [text, text.hex().encode(), marker.encode("utf-16-le"), marker.encode("utf-32-le")]
    return any(form in data for form in forms)


def showing(store: Store) -> list[str]:
    """Give the keys of a store whose bytes, or names, give the marker away."""
    return [key for key in store.list("") if shows(store.read(key)) or MARKER in key]


def locks(checkpoint: Checkpoint) -> list[bool]:
    """Say of each chunk whether it is encrypted."""
    return [bool(chunk.lock) for chunk in checkpoint.chunks()]
