"""What a person wants to know of an array without reading it: its range, its mean, and how its numbers are spread."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BINS", "MOST", "Summary", "elements", "shown_dtype", "summarized"]

BINS: Final = 24
#: So many arrays of one slot are told of, the largest ones.
MOST: Final = 256
_FIELDS = frozenset({"path", "dtype", "shape", "sampled", "nonfinite", "min", "max", "mean", "histogram"})
_DIMENSIONS = 64
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Summary:
    """One array of a slot: what it is, and what a sample of its elements says of all.

    ``sampled`` is how many elements were looked at, evenly spread, and ``nonfinite`` how many of these are NaN or
    infinite; range, mean and histogram (of equal bins from ``low`` to ``high``) are of the others. They are None, and
    it is empty, where nothing is known of the elements.
    """

    __module__ = "lattice_addons.checkpoint"

    path: str
    dtype: str
    shape: tuple[int, ...]
    sampled: int = 0
    nonfinite: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    histogram: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many elements the array has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def whole(self) -> bool:
        """Whether every element was looked at."""
        return self.sampled == self.count

    def told(self) -> dict[str, Any]:
        """Give what a manifest says."""
        told: dict[str, Any] = {"path": self.path, "dtype": self.dtype, "shape": list(self.shape)}
        if self.sampled:
            told |= {"sampled": self.sampled, "nonfinite": self.nonfinite}
        if self.histogram:
            told |= {"min": self.low, "max": self.high, "mean": self.mean, "histogram": list(self.histogram)}
        return told

    @classmethod
    def from_told(cls, told: Any) -> Summary:  # noqa: ANN401 - anything that JSON can say
        """Give what a manifest says; ``ValueError`` where it says what is never written."""
        if type(told) is not dict or not {"path", "dtype", "shape"} <= told.keys() <= _FIELDS:
            raise ValueError("the fields of an array's summary are not these")
        shape = _whole_numbers(told["shape"], _DIMENSIONS)
        if type(told["path"]) is not str or type(told["dtype"]) is not str:
            raise ValueError("the path or the dtype of an array is no text")
        sampled, nonfinite = _whole_numbers([told.get("sampled", 0), told.get("nonfinite", 0)], 2)
        if "histogram" not in told:
            if told.keys() & {"min", "max", "mean"}:
                raise ValueError("an array has a range and no histogram")
            return cls(told["path"], told["dtype"], shape, sampled, nonfinite)
        histogram = _whole_numbers(told["histogram"], 2 * BINS)
        low, high, mean = (_number(told.get(name)) for name in ("min", "max", "mean"))
        if not histogram or sum(histogram) != sampled - nonfinite or low > high:
            raise ValueError("the histogram of an array is not of its sample")
        return cls(told["path"], told["dtype"], shape, sampled, nonfinite, low, high, mean, histogram)


def _whole_numbers(told: Any, most: int) -> tuple[int, ...]:  # noqa: ANN401 - anything that JSON can say
    if type(told) is not list or len(told) > most:
        raise ValueError("there should be a list of not too many numbers")
    if not all(type(each) is int and 0 <= each <= _LARGEST for each in told):
        raise ValueError("there should be whole numbers")
    return tuple(told)


def _number(told: Any) -> float:  # noqa: ANN401 - anything that JSON can say
    if type(told) not in (int, float) or not isfinite(told):
        raise ValueError("there should be a number")
    return float(told)


def shown_dtype(dtype: str) -> str:
    """Name a dtype for people: ``float32`` for ``<f4``."""
    numpy = sys.modules.get("numpy")
    if numpy is None or dtype[:1] not in "<>|=":
        return dtype
    kind = numpy.dtype(dtype)
    return str(kind.name) if kind.isnative or kind.kind in "SU" else f"{kind.name} ({dtype[0]})"


def elements(dtype: str) -> Any | None:  # noqa: ANN401 - a dtype
    """Give the NumPy dtype in which the elements of an array lie; None where they are no real numbers."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if dtype == "bfloat16":
        return numpy.dtype("u2")
    try:
        kind = numpy.dtype(dtype)
    except TypeError:  # one of torch's own
        return None
    return kind if kind.kind in "biuf" else None


def summarized(
    path: str,
    dtype: str,
    shape: tuple[int, ...],
    parts: Sequence[Any],
    numpy: Any,  # noqa: ANN401 - the module
) -> Summary:
    """Summarize the elements that were looked at."""
    found = numpy.concatenate(parts) if len(parts) != 1 else parts[0]
    if dtype == "bfloat16":
        found = (found.astype("u4") << 16).view("f4")
    with numpy.errstate(all="ignore"):
        numbers = found.astype("f8")
        finite, low, high = numbers, float(numbers.min()), float(numbers.max())
        if not (isfinite(low) and isfinite(high)):
            finite = numbers[numpy.isfinite(numbers)]
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (low, high)
        facts = (path, shown_dtype(dtype), shape, len(numbers), len(numbers) - len(finite))
        if not len(finite):
            return Summary(*facts)
        # Each divided first: the sum of large ones would be infinite.
        mean = min(max(float((finite / len(finite)).sum()), low), high)
        histogram = _histogram(numpy, finite, low, high)
    return Summary(*facts, _short(low), _short(high), _short(mean), tuple(histogram))


def _histogram(numpy: Any, finite: Any, low: float, high: float) -> list[int]:  # noqa: ANN401 - the module, an array
    # Halved first: the whole range of floats would be infinite.
    half = high / 2 - low / 2
    if not half:
        return [len(finite)]
    bins = ((finite / 2 - low / 2) / half * BINS).astype("i8")
    counts: list[int] = numpy.bincount(bins, minlength=BINS).tolist()
    # The highest are in the last bin.
    counts[BINS - 1] += sum(counts[BINS:])
    return counts[:BINS]


def _short(number: float) -> float:
    """Leave out digits that nobody reads."""
    short = float(f"{number:.9g}")
    # Rounded up, the largest of all would be infinite; and whole numbers are counts, and have few digits.
    return short if isfinite(short) and not number.is_integer() else number
