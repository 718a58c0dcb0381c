"""Rules are proposed for the changes of a schema: a field that is gone and one that is new may be the same."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._changes import BREAKS, Change, fits
from ._path import dotted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Proposal", "propose", "written"]

# From how alike on two names are taken for one; the rest of a likeness is where they stand, and their defaults.
_ALIKE = 0.6
_SAME_PARENT, _SAME_DEFAULT, _ONLY_ONE = 0.15, 0.15, 0.2
_SAME_WORDS, _PART_OF = 0.9, 0.7


@dataclass(frozen=True)
class Proposal:
    """A rule as it is written in a program, and what is to be thought of."""

    rule: str
    why: str = ""

    def __str__(self) -> str:
        """Give the line for a program."""
        return f"{self.rule}," + (f"  # {self.why}" if self.why else "")


def propose(changes: Sequence[Change]) -> list[Proposal]:
    """Propose a rule for each change that older files would feel."""
    gone = [each for each in changes if each.kind == "gone"]
    new = [each for each in changes if each.kind == "new"]
    proposals = []
    for old, now in _pairs(gone, new):
        gone.remove(old)
        new.remove(now)
        same_parent = old.place[:-1] == now.place[:-1]
        name = "RenameField" if same_parent else "MoveField"
        proposals.append(Proposal(f"{name}({_path(old)}, {_path(now)})"))
        before, after = old.old.get("default"), now.new.get("default")
        if "default" in old.old and "default" in now.new and repr(before) != repr(after):
            proposals.append(Proposal(f"ChangeDefault({_path(now)}, {after!r})", f"was {before!r}"))
        elif "default" in old.old and "default" not in now.new:
            proposals.append(Proposal(f"AddField({_path(now)}, {before!r})", "what older files meant"))
    proposals += [Proposal(f"DeleteField({_path(each)})") for each in gone]
    for each in changes:
        if each in new and each.effect == BREAKS:
            proposals.append(Proposal(f"AddField({_path(each)}, ...)", "what older files get"))
        elif each.kind not in ("gone", "new"):
            proposals += _other(each)
    return proposals


def written(proposals: Sequence[Proposal], older: int, newer: int) -> str:
    """Give the methods that a class with these rules has."""
    head = ["    @classmethod", "    def version(cls) -> int:", f"        return {newer}", ""]
    head += ["    @classmethod", "    def upgrade_rules(cls) -> dict[int, list[Rule]]:", "        return {"]
    rules = [f"                {each}" for each in proposals]
    return "\n".join([*head, f"            {older}: [", *rules, "            ],", "        }"])


def _path(change: Change) -> str:
    return repr(dotted(change.place))


def _pairs(gone: Sequence[Change], new: Sequence[Change]) -> list[tuple[Change, Change]]:
    """Pair fields that are gone with new ones, the likest first."""
    scores = [
        (likeness, -number, -other, old, now)
        for number, old in enumerate(gone)
        for other, now in enumerate(new)
        if (likeness := _likeness(old, now, only=len(gone) == len(new) == 1)) >= _ALIKE
    ]
    pairs: list[tuple[Change, Change]] = []
    for *_, old, now in sorted(scores, key=lambda each: each[:3], reverse=True):
        if not any(old is one or now is other for one, other in pairs):
            pairs.append((old, now))
    return pairs


def _likeness(old: Change, new: Change, *, only: bool) -> float:
    """Tell how likely a new field is an old one: of a type that takes its values, and of a name like it."""
    if not fits(old.old["type"], new.new["type"]):
        return 0
    one, other = str(old.place[-1]), str(new.place[-1])
    words, other_words = (name.lower().split("_") for name in (one, other))
    likeness = difflib.SequenceMatcher(None, one.lower(), other.lower()).ratio()
    if (
        "".join(words) == "".join(other_words)
        or _initials(words, other_words)
        or _initials(other_words, words)
    ):
        likeness = max(likeness, _SAME_WORDS)
    elif {*words} <= {*other_words} or {*other_words} <= {*words} or _begins(one, other):
        likeness = max(likeness, _PART_OF)
    same_parent = old.place[:-1] == new.place[:-1]
    if not same_parent and likeness < _SAME_WORDS:
        # Elsewhere, and of another name: that is no one's field any more.
        return 0
    defaults = [field.get("default") for field in (old.old, new.new)]
    same_default = "default" in old.old and repr(defaults[0]) == repr(defaults[1])
    return (
        likeness
        + _SAME_PARENT * same_parent
        + _SAME_DEFAULT * same_default
        + _ONLY_ONE * (only and same_parent)
    )


def _initials(short: Sequence[str], long: Sequence[str]) -> bool:
    """Tell whether lr may stand for learning_rate."""
    return len(short) == 1 and len(long) > 1 and short[0] == "".join(word[:1] for word in long)


def _begins(one: str, other: str) -> bool:
    """Tell whether w may stand for width."""
    return one.lower().startswith(other.lower()) or other.lower().startswith(one.lower())


def _other(change: Change) -> list[Proposal]:
    """Propose a rule for a field that is there, and is another one."""
    path = _path(change)
    if change.kind == "default":
        return [
            Proposal(f"ChangeDefault({path}, {change.new['default']!r})", f"was {change.old['default']!r}")
        ]
    if change.kind == "required":
        return [Proposal(f"AddField({path}, {change.old['default']!r})", "what older files meant")]
    if change.effect != BREAKS:
        return []
    if change.kind == "values":
        table = ", ".join(f"{each!r}: {_nearest(each, change.new)}" for each in change.old)
        return [
            Proposal(f"MapValue({path}, lambda value: {{{table}}}.get(value, value))", "which one it is now")
        ]
    if change.kind == "null":
        return [Proposal(f"MapValue({path}, lambda value: ... if value is None else value)", "what null was")]
    return [Proposal(f"MapValue({path}, {_mapping(change.old, change.new)})", change.what)]


def _nearest(value: object, more: Sequence[Any]) -> str:
    close = difflib.get_close_matches(str(value), [str(each) for each in more], n=1, cutoff=0)
    return repr(close[0]) if close else "..."


def _mapping(old: Any, new: Any) -> str:
    """Give the function that probably makes a value of the new type."""
    if new in ("int", "float", "str") and old in ("int", "float", "str", "bool", "path"):
        return "round" if (old, new) == ("float", "int") else str(new)
    if isinstance(new, dict) and "list" in new and fits(old, new["list"]):
        return "lambda value: [value]"
    return "lambda value: ..."
