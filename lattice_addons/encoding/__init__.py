"""A value becomes readable JSON plus raw buffers, and back."""

from __future__ import annotations

from lattice_addons.encoding._decode import decode, needs_pickle
from lattice_addons.encoding._encode import encode
from lattice_addons.encoding._encoded import STREAMED, Buffer, Encoded, Joined, Stream, held
from lattice_addons.encoding._encoders import Encoder, register_encoder
from lattice_addons.encoding._encoders import from_encoder as from_encoder  # pickles find it under this name
from lattice_addons.encoding._flow import Experience, Flow
from lattice_addons.encoding._into import memory_for
from lattice_addons.encoding._plain import is_plain
from lattice_addons.encoding._table import FlatTable, encode_table

__all__ = [
    "STREAMED",
    "Buffer",
    "Encoded",
    "Encoder",
    "Experience",
    "FlatTable",
    "Flow",
    "Joined",
    "Stream",
    "decode",
    "encode",
    "encode_table",
    "held",
    "is_plain",
    "memory_for",
    "needs_pickle",
    "register_encoder",
]
