"""The blobs and lazy fields of a state have a slot each; the rest of it is one text."""

from __future__ import annotations

import dataclasses
import typing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lattice_addons.errors import DamagedError

from ._blob import Blob, BlobManager, loaded, told_apart
from ._hints import members
from ._lazy import LAZY, LazyValues, bind, kept_of, lazy_fields, rule_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from lattice_addons.state import StateManagerGroup

    from ._lazy import Rule

__all__ = ["PREFIX", "Parts", "walk"]

PREFIX = "blob."


class Parts:
    """What of a state is stored apart; ``kept`` names the lazy fields that are stored.

    ``files`` gives what is in files, and not in the store yet.
    ``hurt`` is called when a value is damaged; what it raises the program gets.
    """

    def __init__(
        self,
        group: StateManagerGroup,
        kept: Collection[str],
        hurt: Callable[[str, DamagedError], Exception],
        files: Mapping[str, Callable[[], object]] | None = None,
        ranks: Rule | None = None,
    ) -> None:
        self.making: list[str] = []
        self._group = group
        self._kept = set(kept)
        self._hurt = hurt
        self._files = dict(files or {})
        self._ranks = ranks

    def has(self, path: str) -> bool:
        """Say whether the value of a lazy field is stored."""
        return path in self._kept

    def read(self, path: str, ranks: Rule | None = None) -> object:
        """Read what is stored of a blob or lazy field."""
        if path in self._files:
            return self._files[path]()
        self._slot(path, ranks)
        try:
            return self._group.get(PREFIX + path)
        except DamagedError as damage:
            raise self._hurt(path, damage) from damage

    def bind(self, config: object, state: object) -> None:
        """Say to every blob that was not read, and to every lazy field, where its value comes from."""
        for path, found, hint in walk(state):
            if not isinstance(found, Blob):
                prefix = f"{path}." if path else ""
                bind(found, LazyValues(config, state, prefix, self))
            elif not found.is_read:
                found.bind(partial(self._load, found.name, _kind(hint), config, state))

    def offer(self, config: object, state: object) -> list[str]:
        """Let the group have what is to be saved of each; give the names of the lazy fields that have a value."""
        self.bind(config, state)
        found = list(walk(state))
        blobs = {path: (each, _kind(hint)) for path, each, hint in found if isinstance(each, Blob)}
        for path, (blob, _) in blobs.items():
            # One that came to another place, or from a file; all of these before any place is taken.
            if not blob.is_read and (blob.name != path or path in self._files):
                blob.get()
        for path, (blob, kind) in blobs.items():
            blob.name = path
            self._slot(path)
            if blob.is_read:
                self._group.update(PREFIX + path, partial(_told, blob, kind, path))
        made = list(self._offer_lazy(found))
        self._files.clear()
        there = {PREFIX + path for path in (*blobs, *made)}
        for slot in self._group.list():
            if slot.startswith(PREFIX) and slot not in there:
                self._group.update(slot, None)
        self._kept = set(made)
        return made

    def _offer_lazy(self, found: list[tuple[str, object, object]]) -> Iterator[str]:
        for path, each, _ in found:
            if isinstance(each, Blob):
                continue
            for name, has_value in lazy_fields(each).items():
                place, ranks = f"{path}.{name}" if path else name, rule_of(each, name)
                if has_value:
                    self._slot(place, ranks)
                    self._group.update(PREFIX + place, partial(kept_of, vars(each)[name]))
                elif place in self._files:
                    self._slot(place, ranks)
                    self._group.update(PREFIX + place, partial(_itself, self._files[place]()))
                if has_value or place in self._kept:
                    self._slot(place, ranks)
                    yield place

    def _load(self, name: str, kind: object, config: object, state: object) -> object:
        return loaded(kind, config, state, self.read(name))

    def _slot(self, path: str, ranks: Rule | None = None) -> None:
        if PREFIX + path not in self._group:
            self._group.register(PREFIX + path, BlobManager, ranks=ranks or self._ranks)


def walk(value: object, path: str = "", hint: object = None) -> Iterator[tuple[str, object, object]]:
    """Go through a state: give its blobs, and the objects of dataclasses in it, each with its path and annotation."""
    if isinstance(value, Blob):
        yield path, value, hint
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        if hasattr(value, "__dict__"):
            yield path, value, hint
        kinds = members(type(value))
        for field in dataclasses.fields(value):
            if not field.metadata.get(LAZY):
                place = f"{path}.{field.name}" if path else field.name
                yield from walk(
                    getattr(value, field.name), place, kinds[field.name].type if field.name in kinds else None
                )
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from walk(each, f"{path}[{index}]", hint)
    elif isinstance(value, dict):
        for key, each in value.items():
            # A slot's name has no slashes, and no dots side by side.
            yield from walk(each, f"{path}[{quote(str(key), safe='').replace('.', '%2E')}]", hint)


def _kind(hint: Any) -> Any:
    """Give T of the first Blob[T] in an annotation."""
    if typing.get_origin(hint) is Blob:
        kind = typing.get_args(hint)[0]
        return typing.get_origin(kind) or kind
    return next((kind for each in typing.get_args(hint) if (kind := _kind(each)) is not None), None)


def _itself(value: object) -> object:
    return value


def _told(blob: Blob[Any], kind: object, path: str) -> object:
    return told_apart(blob.get(), kind, path)
