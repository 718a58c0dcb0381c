"""The store: whether it is there, may be written, has the same time, and what it holds can be read."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from lattice_addons._host import user_number
from lattice_addons._service_url import address, is_service
from lattice_addons.checkpoint import Line, jobs, ranks
from lattice_addons.cli._output import counted, duration, size
from lattice_addons.errors import LatticeError, NoAccessError, NotInStoreError
from lattice_addons.storage import open_store, ulid

from ._check import OK, good, looked_at, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lattice_addons.settings import Settings
    from lattice_addons.storage import Store

    from ._check import Check

__all__ = ["of_store"]

# Two clocks that are no further apart say the same to everything that is decided by them.
_SKEW = 30.0
_PATIENCE = 5.0
_REFUSED = (401, 403)
_PROBE = b"lattice doctor was here\n"


def of_store(settings: Settings) -> Iterator[Check]:
    """Look at all of it; of a store that is not there, and whose folder can be made, nothing is made."""
    if settings.type == "memory":
        yield warning("store", "memory: gone when the program ends", "set LATTICE_CHECKPOINT_TYPE=local")
        return
    if is_service(settings.root):
        yield from looked_at("service", lambda: _service(settings))
    try:
        store = open_store(settings, create=False)
    except NotInStoreError:
        yield from looked_at("store", lambda: _to_be_made(settings))
        return
    except LatticeError as error:
        yield problem("store", str(error), "see what it says")
        return
    found = [*looked_at("rights", lambda: _probe(settings, store))]
    yield from found
    if settings.type == "local":
        yield from looked_at("rights", lambda: _safe(settings))
    if any(each.state != "problem" for each in found):
        yield from looked_at("store", lambda: _health(settings, store))


def _to_be_made(settings: Settings) -> Iterator[Check]:
    folder = os.path.dirname(settings.root)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if os.access(folder, os.W_OK | os.X_OK):
        yield good("store", f"{settings.root} is not there yet: the first program that saves makes it")
    else:
        yield problem(
            "rights", f"{folder} cannot be written, where the store would be made", "name another root"
        )


def _probe(settings: Settings, store: Store) -> Iterator[Check]:
    """Write, read and delete; the time at which it was stored is the clock of the store."""
    key = f"{settings.job_id or 'doctor'}/doctor/{ulid()}"
    shared = store.shared
    before = time.time()
    try:
        shared.put(key, _PROBE)
    except NoAccessError:
        if settings.job_id is not None or not is_service(settings.root):
            raise
        found = f"{store.url} was not written to: no job is named, and not every one is open"
        yield warning("rights", found, "LATTICE_JOB_ID=NAME lattice doctor tries it as the job NAME would")
        return
    after = time.time()
    try:
        whole = shared.read(key) == _PROBE
        stored = shared.facts(key).modified
    finally:
        shared.delete([key])
        if store.at_home:
            shared.prune(f"{key.rpartition('/')[0]}/")
            if settings.job_id is None:
                shared.prune("doctor/")
    if not whole:
        yield problem("rights", f"{store.url} gives other bytes back than it was given", "do not use it")
        return
    took = "" if store.at_home else f" in {duration(after - before)}"
    yield good("rights", f"{store.url} can be written{took}, read and deleted from")
    yield from _clock(before, after, stored)


def _clock(before: float, after: float, stored: float | None) -> Iterator[Check]:
    if stored is None:
        return
    # Stores tell whole seconds.
    skew = max(stored - after, before - stored - 1.0, 0.0)
    if skew > _SKEW:
        todo = "synchronise both by NTP: leases, retention and what would be lost are told by them"
        yield warning("clock", f"the store's clock and this one's are {duration(skew)} apart", todo)
    else:
        yield good("clock", f"within {duration(max(skew, 1.0))} of the store's")


def _safe(settings: Settings) -> Iterator[Check]:
    """See that nobody else can put a pickle there."""
    facts = os.stat(settings.root)
    others = facts.st_mode & stat.S_IWOTH or facts.st_uid not in (user_number(), 0)
    if others and settings.trust == "pickle" and settings.key is None:
        found = f"others can write into {settings.root}, and what they put there would be unpickled"
        yield warning(
            "rights", found, f"chmod o-w {settings.root}, or set LATTICE_CHECKPOINT_KEY and trust=signed"
        )


def _health(settings: Settings, store: Store) -> Iterator[Check]:
    bad, total, checkpoints = 0, 0, 0
    names = jobs(store)
    for name in names:
        for rank in ranks(store, name):
            line = Line(store, name, rank, settings=settings)
            try:
                newest = line.newest()
            except LatticeError as error:
                bad += 1
                yield problem(
                    "store", f"{name}, rank {rank}: {error}", f"lattice verify {name}; lattice repair {name}"
                )
                continue
            checkpoints += len(line.numbers())
            total += sum(entry.size for entry in newest.slots.values()) if newest is not None else 0
    if not bad:
        told = f"{counted(len(names), 'job')}, {counted(checkpoints, 'checkpoint')}; the newest can be read"
        yield good("store", told)
    if settings.type == "local" and total:
        import shutil

        free = shutil.disk_usage(settings.root).free
        if free < 2 * total:
            found = f"the newest checkpoints have {size(total)}, and only {size(free)} are free"
            yield warning("disk", found, "`lattice prune`, make room, or name another root")
    yield from _unsent(settings)


def _unsent(settings: Settings) -> Iterator[Check]:
    """See whether something waits in a spool."""
    if settings.type == "local" or not os.path.isdir(settings.spool):
        return
    from lattice_addons.storage import not_up, spools

    for spool in spools(settings.spool):
        left = not_up(spool)
        count = sum(each.checkpoints for each in left)
        if count:
            waiting = size(sum(each.bytes for each in left))
            verb = "is" if count == 1 else "are"
            told = f"{counted(count, 'checkpoint')} ({waiting}) {verb} not in {spool.url} yet"
            yield warning("upload", told, "`lattice upload` sends them, and says what keeps them here")


def _service(settings: Settings) -> Iterator[Check]:
    """Ask the service whether it is well, and whether it takes the token."""
    try:
        at = address(settings.root)
    except ValueError:
        return  # what is wrong with it is said when the store is opened
    place = f"{'https' if at.secure or settings.options.get('tls') == 'true' else 'http'}://{at.place}"
    greeting = _greeting(settings, place)
    yield greeting
    if greeting.state == OK:
        yield from _token(settings, place)


def _greeting(settings: Settings, place: str) -> Check:
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        _ask(settings, f"{place}/healthz", None)
    except HTTPError as error:
        return problem("service", f"{place} answers {error.code}", "look into the log of `lattice serve`")
    except OSError as error:
        reason = getattr(error, "reason", error)
        return problem("service", f"{place} does not answer ({reason})", "start `lattice serve` there")
    except HTTPException:
        todo = "see which port `lattice serve` has, and whether it serves https (opt.tls=true)"
        return problem("service", f"what answers at {place} speaks no HTTP", todo)
    return good("service", f"{place} is well")


def _token(settings: Settings, place: str) -> Iterator[Check]:
    from urllib.error import HTTPError

    token = settings.options.get("token") or os.environ.get("LATTICE_CHECKPOINT_TOKEN")
    job = settings.job_id
    # Without a name the list of jobs, which any token opens: one that is for some jobs is good for them.
    what = f"/{quote(job)}/objects?prefix=doctor/" if job is not None else ""
    try:
        _ask(settings, f"{place}/v1/jobs{what}", token)
        yield good("service", "takes the token" if token else "asks for no token")
    except HTTPError as error:
        if error.code in _REFUSED:
            prefix = job if job is not None else "PREFIX"
            todo = f"`lattice token create {prefix} --rights write` there, and set LATTICE_CHECKPOINT_TOKEN"
            if job is None:
                todo += "; PREFIX is how the names of your jobs begin"
            yield problem("service", "refuses the token" if token else "asks for a token", todo)
        else:
            yield warning(
                "service", f"answers {error.code} to the token", "look into the log of `lattice serve`"
            )


def _ask(settings: Settings, url: str, token: str | None) -> None:
    """Ask for what is there; an ``HTTPError`` where it is refused."""
    import ssl
    from urllib.request import Request, urlopen

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trusted = ssl.create_default_context(cafile=settings.options.get("cafile"))
    with urlopen(Request(url, headers=headers), timeout=_PATIENCE, context=trusted):  # noqa: S310 - http or https
        pass
