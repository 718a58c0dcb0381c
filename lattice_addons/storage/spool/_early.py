"""Where there is no room for what is new, what was superseded goes before it, as far as nothing there needs it.

What goes last is decided by the newest checkpoint that is there: it stays, with all that it may name, until a newer
one is up.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from lattice_addons.storage.spool._attend import numbered
from lattice_addons.storage.spool._pending import is_manifest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["NO_ROOM", "may_go_early"]

#: The numbers of the errors that say that there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def may_go_early(  # noqa: PLR0913 - what is to go here, and what is there
    folder: str,
    due: Sequence[str],
    gone: Mapping[str, Collection[str]],
    there: Collection[str],
    uploaded: Sequence[str],
    *,
    floor: str | None = None,
) -> list[str]:
    """Give those keys of a rank that may go there before what is new is up, in the order of ``due``.

    Of several ranks all have a checkpoint there of the instant of ``floor``: this one must stay, and all that is newer.
    Of one that is alone in its job, without a ``floor``, the newest one must stay.

    ``gone`` are the records of what is to go, the oldest first, read after ``due`` was: a manifest is in an earlier
    one than the packs that only it named. ``uploaded`` is what was sent, in that order: a manifest after its packs.
    """
    known = [key for key in due if key in there and (is_manifest(key) or key.endswith(".pack"))]
    numbers = numbered(folder, there)
    if not numbers:
        return known
    newest = numbers[max(numbers)]
    least = max((number for number, key in numbers.items() if key == floor), default=max(numbers))
    stay = {key for number, key in numbers.items() if number >= least}
    goes_after = next((name for name, keys in gone.items() if not stay.isdisjoint(keys)), None)
    if goes_after is None:
        # What is there and stays refers to nothing that is to go.
        return known
    # Nobody named these any more while what stays there was still to stay.
    free = {key for name, keys in gone.items() if name < goes_after for key in keys}
    # And these came after all that it names.
    if newest in uploaded:
        free.update(uploaded[uploaded.index(newest) + 1 :])
    return [key for key in known if key not in stay and (is_manifest(key) or key in free)]
