"""The arrays of a slot in words, from what its program said of them when it saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lattice_addons.checkpoint import Summary

__all__ = ["arrays_text", "mean_text", "nonfinite_text", "range_text", "sample_text", "shape_text"]

# Further, floats are not whole any more.
_WHOLE = 1e15


def shape_text(summary: Summary) -> str:
    """Write a shape.

    >>> from lattice_addons.checkpoint import Summary
    >>> shape_text(Summary("", "float32", (3, 4))), shape_text(Summary("", "float32", ()))
    ('3 × 4', 'scalar')
    """
    return " × ".join(map(str, summary.shape)) or "scalar"


def range_text(summary: Summary) -> str:
    """Write from where to where the elements go; empty where that is not known."""
    if summary.low is None or summary.high is None:
        return "none is finite" if summary.sampled else ""
    low, high = _number(summary.low), _number(summary.high)
    return low if low == high else f"{low} to {high}"


def mean_text(summary: Summary) -> str:
    """Write the mean; empty where it is not known."""
    return "" if summary.mean is None else _number(summary.mean)


def sample_text(summary: Summary) -> str:
    """Say how many elements were looked at.

    >>> from lattice_addons.checkpoint import Summary
    >>> sample_text(Summary("", "float32", (3, 4), 12)), sample_text(Summary("", "float32", (5000,), 2048))
    ('all 12', '2,048 of 5,000')
    """
    if not summary.sampled:
        return ""
    return f"all {summary.count:,}" if summary.whole else f"{summary.sampled:,} of {summary.count:,}"


def nonfinite_text(summary: Summary) -> str:
    """Say how much is NaN or infinite; empty where nothing is."""
    if not summary.nonfinite:
        return ""
    share = summary.nonfinite / summary.sampled
    return f"{share:.0%} not finite" if share >= 0.01 else "some not finite"  # noqa: PLR2004 - one percent


def arrays_text(summaries: Sequence[Summary]) -> str:
    """Write the arrays of a slot on one line: the largest, and how many more there are; empty where there is none."""
    if not summaries:
        return ""
    first = max(summaries, key=lambda summary: summary.count)
    told = [f"{first.dtype}, {shape_text(first)}", range_text(first), nonfinite_text(first)]
    text = "; ".join(filter(None, told))
    return text if len(summaries) == 1 else f"{text}; and {len(summaries) - 1} more"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) and abs(value) < _WHOLE else f"{value:.4g}"
