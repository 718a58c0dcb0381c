"""Plain data becomes the text of a config file; a file on disk is there as a whole, or as it was."""

from __future__ import annotations

import json
from typing import Any

from lattice_addons._whole_file import write_whole
from lattice_addons.errors import ConfigError, NoConfigError

from ._ron_data import Tagged

__all__ = ["key_text", "write_file", "write_text"]


def write_text(data: Any, form: str, over: str | None = None, *, exact: bool = False) -> str:
    """Give the text that says this data.

    Args:
        data: Of dicts, lists, scalars and `Tagged`.
        form: ``yaml``, ``json``, ``toml`` or ``ron``.
        over: A YAML text in the place of which it is put: its comments, its order and its way of writing are kept.
        exact: Write anew what only a field takes for the same: ``1`` for 1.0, ``yes`` for true.
    """
    if form == "ron":
        from ._ron import ron_dumps

        return ron_dumps(data).rstrip("\n") + "\n"
    if form == "json":
        return json.dumps(_texts(data), indent=2, ensure_ascii=False) + "\n"
    if form == "toml":
        from ._toml import NoTomlError, toml_text

        try:
            return toml_text(_texts(data))
        except NoTomlError as error:
            raise ConfigError(str(error), file="", faults=()) from None
    from ._yaml_write import yaml_text

    return yaml_text(data, over, exact=exact)


def write_file(path: str, text: str) -> None:
    """Put a text into a file at once.

    Raises:
        NoConfigError: it cannot be written.
    """
    try:
        write_whole(path, text.encode())
    except UnicodeEncodeError as error:
        message = f"{path!r} cannot be written: {error.object[error.start]!r} is no character"
        raise ConfigError(message, file=path, faults=()) from None
    except OSError as error:
        message = f"the config file {path!r} cannot be written ({error.strerror})"
        raise NoConfigError(message, path=path) from error


def named(data: Tagged) -> dict[str, Any]:
    """Give a struct with its name as a mapping: the name is the first key."""
    if isinstance(data.fields, dict):
        # Where the class has a field of this name, the other key is taken.
        return {"$type" if "type" in data.fields else "type": data.name, **data.fields}
    return {"type": data.name, "values": data.fields} if data.fields else {"type": data.name}


def _texts(data: Any) -> Any:
    """Give data as JSON and TOML have it: every key a text, every struct a mapping."""
    if isinstance(data, Tagged):
        return _texts(named(data))
    if isinstance(data, dict):
        return {key_text(key): _texts(each) for key, each in data.items()}
    return [_texts(each) for each in data] if isinstance(data, (list, tuple)) else data


def key_text(key: Any) -> str:
    """Give a key as JSON and TOML have it."""
    if isinstance(key, bool) or key is None:
        return json.dumps(key)
    return key if isinstance(key, str) else repr(key)
