"""A value becomes readable JSON plus raw buffers, and back."""

from __future__ import annotations

from lattice_addons.encoding._decode import decode, needs_pickle
from lattice_addons.encoding._devices import tensors_on
from lattice_addons.encoding._encode import encode
from lattice_addons.encoding._encoded import STREAMED, Buffer, Encoded, Joined, Stream, held, is_own
from lattice_addons.encoding._encoders import Encoder, register_encoder
from lattice_addons.encoding._encoders import from_encoder as from_encoder  # pickles find it under this name
from lattice_addons.encoding._flow import Experience, Flow
from lattice_addons.encoding._into import memory_for
from lattice_addons.encoding._placed import Placed, placed
from lattice_addons.encoding._plain import is_plain
from lattice_addons.encoding._remade import refilled as refilled  # as from_encoder
from lattice_addons.encoding._storages import from_storage as from_storage  # as from_encoder
from lattice_addons.encoding._storages import from_typed_storage as from_typed_storage
from lattice_addons.encoding._storages import same as same
from lattice_addons.encoding._table import FlatTable, encode_table
from lattice_addons.encoding._tree import AsTree
from lattice_addons.encoding._tree_part import part_of_tree

__all__ = [
    "STREAMED",
    "AsTree",
    "Buffer",
    "Encoded",
    "Encoder",
    "Experience",
    "FlatTable",
    "Flow",
    "Joined",
    "Placed",
    "Stream",
    "decode",
    "encode",
    "encode_table",
    "held",
    "is_own",
    "is_plain",
    "memory_for",
    "needs_pickle",
    "part_of_tree",
    "placed",
    "register_encoder",
    "tensors_on",
]
