"""Compresses."""

from __future__ import annotations


def squeeze(data: bytes | memoryview) -> bytes | None:
    return None


def expand(data: bytes, length: int) -> bytes:
    return data
