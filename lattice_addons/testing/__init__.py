"""Contracts that every manager, encoder and store keeps to, for the authors of new ones."""

from __future__ import annotations

from ._encoders import EncoderContract
from ._managers import ManagerContract
from ._stores import StoreContract

__all__ = ["EncoderContract", "ManagerContract", "StoreContract"]
