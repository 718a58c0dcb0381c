"""Bytes and seconds are read and shown exactly, in units that people use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice_addons._amounts import UNITS, bytes_in, counted, duration, size, took


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("7", 7),
        ("1KiB", 1024),
        ("1 KiB", 1024),
        ("1.5KiB", 1536),
        ("0.1GB", 10**8),
        ("4.35MB", 4_350_000),
        ("2TiB", 2 * 1024**4),
        ("0.3B", 0),
        *(
            (text, None)
            for text in ("", "B", " 1", "1.", ".5", "1.2.3", "1,5", "-1", "+1", "1e3", "1_0", "٣")
        ),
        *(
            (text, None)
            for text in ("1K", "1kb", "1KiBB", "1  MiBs", "1MiB ", "nan", "inf", "9" * 30, "0x10")
        ),
    ],
)
def test_bytes_are_read(text: str, count: int | None) -> None:
    """A number and a unit; what is anything else is no number of bytes."""
    assert bytes_in(text) == count


@given(st.integers(0, 10**9), st.sampled_from(sorted(UNITS)))
def test_whole_numbers_of_every_unit_are_read(number: int, unit: str) -> None:
    """Nothing is lost on the way."""
    assert bytes_in(f"{number}{unit}") == number * UNITS[unit]


@given(st.text())
def test_any_text_is_bytes_or_not(text: str) -> None:
    """No text raises an error."""
    count = bytes_in(text)
    assert count is None or count >= 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3_250_586, "3.1 MiB"),
        (5 << 30, "5.0 GiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_sizes_are_shown(count: int, text: str) -> None:
    """In the unit that fits."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (7100, "118 min"),
        (7199, "2 h"),
        (172_000, "2 days"),
        (1e9, "11574 days"),
    ],
)
def test_times_are_shown(seconds: float, text: str) -> None:
    """In the unit that fits."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.0, "0 ms"),
        (0.0000211, "0.021 ms"),
        (0.00438, "4.38 ms"),
        (0.25, "250 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (90, "90 s"),
    ],
)
def test_what_took_next_to_nothing_is_shown(seconds: float, text: str) -> None:
    """With three digits, and never as nothing but zeros."""
    assert took(seconds) == text


def test_one_thing_is_not_many() -> None:
    """Only of one there is no plural."""
    assert [counted(number, "pack") for number in (0, 1, 2)] == ["0 packs", "1 pack", "2 packs"]
