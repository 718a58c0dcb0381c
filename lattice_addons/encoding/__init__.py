"""A value becomes readable JSON plus raw buffers, and back."""

from __future__ import annotations

from lattice_addons.encoding._decode import decode, needs_pickle
from lattice_addons.encoding._encode import encode
from lattice_addons.encoding._encoded import Buffer, Encoded, Stream
from lattice_addons.encoding._encoders import Encoder, register_encoder
from lattice_addons.encoding._encoders import from_encoder as from_encoder  # pickles find it under this name
from lattice_addons.encoding._plain import is_plain

__all__ = [
    "Buffer",
    "Encoded",
    "Encoder",
    "Stream",
    "decode",
    "encode",
    "is_plain",
    "needs_pickle",
    "register_encoder",
]
