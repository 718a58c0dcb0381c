"""What the LATTICE_* variables say, read once into a frozen Settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, cast

from lattice_addons import _allowed, _environ, _service_settings
from lattice_addons._allowed import Place
from lattice_addons._service_url import is_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lattice_addons._allowed import Check

__all__ = ["VARIABLES", "Settings", "check_job_id"]

#: The environment variables, each with the attribute of :class:`Settings` that it sets, and its meaning.
#:
#: :meta hide-value:
VARIABLES = _environ.VARIABLES
# The default of a path depends on where the program runs: it is found when the Settings are made.
_FOUND_LATER = cast("str", None)


def check_job_id(text: str, where: str = "job_id") -> str:
    """Give the job id back, or say what is wrong with it and where it came from."""
    return _allowed.job_id(text, Place(where))


def _key(default: object, check: Check, shown: str, meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare a key of LATTICE_CHECKPOINT_CONFIG; its default and meaning in words are its documentation."""
    return field(default=default, metadata={"check": check, "default": shown, "meaning": meaning})


def _variable(default: object, check: Check, *, shown: bool = True) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare what a variable of its own sets."""
    return field(default=default, repr=shown, metadata={"check": check})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where, when and how a program's state is kept; ``Settings()`` is all defaults.

    Every value is checked, and paths are made absolute, when the object is made. What cannot be is a
    :class:`~lattice_addons.errors.SettingsError` that names the setting, the bad part and the nearest good one.
    """

    type: str = _variable("local", _allowed.one_of("local", "s3", "remote", "fsspec", "memory"))
    root: str = _key(
        _FOUND_LATER,
        _allowed.path_or_url,
        "``.lattice`` in the working directory",
        "where the store is (``s3``: ``s3://bucket/prefix``; ``fsspec``: any URL; ``memory``: a name)",
    )
    job_id: str | None = _key(
        None,
        _allowed.job_id,
        "the program's name (script stem, module or notebook; ``interactive`` without one)",
        "which job; also ``LATTICE_JOB_ID``",
    )
    atexit_saving: bool = _key(
        default=True, check=_allowed.switch, shown="``enabled``", meaning="save when the program ends"
    )
    periodic_saving: bool = _key(
        default=False,
        check=_allowed.switch,
        shown="``disabled``",
        meaning="save every so often from a background thread",
    )
    periodic_saving_interval: float | Literal["auto"] | None = _key(
        None,
        _allowed.interval,
        "–",
        "seconds, or ``auto``: as often as ``periodic_saving_overhead`` allows; required when ``periodic_saving``"
        " is enabled",
    )
    periodic_saving_overhead: float = _key(
        0.035, _allowed.share, "0.035", "``auto``: the share of the run time that periodic saves may cost"
    )
    signals: tuple[str, ...] = _key(
        _allowed.DEFAULT_SIGNALS,
        _allowed.signals,
        "``SIGTERM+SIGHUP+SIGXCPU``",
        "signals that save before they take effect; ``none`` for no signal",
    )
    grace: float = _key(
        25,
        _allowed.seconds(zero=True),
        "25",
        "seconds within which a save at a signal must be safe (0: no limit)",
    )
    keep: int = _key(3, _allowed.whole(1, 10**9), "3", "how many of the newest checkpoints stay")
    keep_hourly: int = _key(0, _allowed.whole(0, 10**9), "0", "of how many hours the last checkpoint stays")
    keep_daily: int = _key(0, _allowed.whole(0, 10**9), "0", "of how many days the last checkpoint stays")
    spool: str = _key(
        _FOUND_LATER,
        _allowed.folder,
        "``$XDG_STATE_HOME/lattice`` (``~/.local/state/lattice``)",
        "local folder for jobs with a remote store",
    )
    spool_limit: int = _key(
        20 << 30,
        _allowed.whole(0, _allowed.MOST_BYTES),
        "``20GiB``",
        "bytes that the spool of a remote store may take: above them goes what is in the remote store as well",
    )
    linger: float | Literal["forever"] | None = _key(
        None,
        _allowed.linger,
        "as ``grace``",
        "seconds that the uploader may outlive the program with work left; ``forever`` for no limit",
    )
    offline: str = _key(
        "refuse",
        _allowed.one_of("refuse", "allow"),
        "``refuse``",
        "what to do when the remote store does not answer at the start: ``allow`` carries on from the spool",
    )
    ranks: str = _key(
        "together",
        _allowed.one_of("together", "alone"),
        "``together``",
        "what a restart of several ranks carries on from: an instant that all of them have, or (``alone``) each from"
        " its own newest checkpoint",
    )
    ckpt_service_endpoint: str | None = _key(
        None, _service_settings.host, "–", "``remote``: the host on which the checkpoint service listens"
    )
    ckpt_service_port: int = _key(5555, _allowed.whole(1, 65535), "5555", "``remote``: the port on that host")
    restore: str = _key(
        "read",
        _allowed.one_of("read", "map"),
        "``read``",
        "how large buffers come back: ``read`` into memory, or as a private ``map`` of the file",
    )
    memory: int | None = _key(
        None,
        _allowed.whole(0, _allowed.MOST_BYTES),
        "a quarter of the memory available",
        "bytes that the copies of asynchronous and periodic saves may take, such as ``512MiB``; a save that would"
        " need more is written before the program goes on",
    )
    trust: str = _key(
        "pickle",
        _allowed.one_of("pickle", "signed", "safe"),
        "``pickle``",
        "what may be unpickled: all of the store, only what is ``signed`` with the key, or (``safe``) nothing",
    )
    encryption_key_file: str | None = _key(
        None,
        _allowed.file,
        "–",
        "a file of yours alone with the secret that ``LATTICE_ENCRYPTION_KEY`` could have",
    )
    options: Mapping[str, str] = field(
        default_factory=dict,
        hash=False,  # A dict has no hash, and Settings has one.
        repr=False,  # There may be secrets among them.
        metadata={
            "check": _allowed.options,
            "key": "opt.NAME",
            "default": "–",
            "meaning": "passed to the fsspec filesystem, such as ``opt.endpoint_url=…``",
        },
    )
    key: bytes | None = _variable(None, _allowed.secret, shown=False)
    token: str | None = _variable(None, _service_settings.token, shown=False)
    encryption_key: bytes | None = _variable(None, _allowed.secret, shown=False)
    run_id: str | None = _variable(None, _allowed.word)
    strict: bool = _variable(default=False, check=_allowed.switch)
    disabled: bool = _variable(default=False, check=_allowed.switch)
    loglevel: str = _variable("WARNING", _allowed.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))

    def __post_init__(self) -> None:
        """Check each setting by itself, then what they say together."""
        if self.spool is None:
            self._set("spool", _default_spool(os.environ))
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None or each.default is not None:
                self._set(each.name, each.metadata["check"](value, Place("Settings", each.name)))
        _agree(self)
        root = self.root
        if self.type == "remote":
            host = self.ckpt_service_endpoint or ""
            root = _service_settings.url_of(host, self.ckpt_service_port, self.options, root)
        self._set("root", _root(self.type, root, Place("Settings", "root")))
        if is_service(self.root):
            self._set("options", _service_settings.options_of(self.options, self.token))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # The one way into a frozen dataclass that is being made.

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the ``LATTICE_*`` variables of this environment, by default the process's own.

        A variable of the process whose name is almost one of theirs is warned of, once.
        """
        if environ is None:
            environ = os.environ
            _environ.tell_misspelt(environ)
        # ``__post_init__`` checks again; here an error can still name the variable.
        checks = {each.name: each.metadata["check"] for each in fields(cls)}
        values: dict[str, Any] = {"spool": _default_spool(environ)}
        root = None
        for name, place, value in _environ.given(environ, KEYS):
            values[name] = checks[name](value, place)
            root = place if name == "root" else root
        if root is not None:
            values["root"] = _root(values.get("type", "local"), values["root"], root)
        return cls(**values)


KEYS = tuple(each.name for each in fields(Settings) if "meaning" in each.metadata and each.name != "options")


def _default_spool(environ: Mapping[str, str]) -> str:
    state = environ.get("XDG_STATE_HOME", "")
    # Its specification says that a relative path in it is to be ignored.
    state = state if os.path.isabs(state) else os.path.expanduser("~/.local/state")
    # In a container the user may have no home; then the spool stays with the program.
    return os.path.join(state, "lattice") if os.path.isabs(state) else os.path.join(".lattice", "spool")


def _root(kind: str, root: str | None, place: Place) -> str:
    """Give the root that a store of this type has: a folder, a URL, or a name."""
    if kind == "local":
        return _allowed.local_folder(".lattice" if root is None else root, place)
    if kind == "memory":
        return "memory" if root is None else root
    if kind == "remote":
        return "" if root is None else _allowed.url(root, place)
    if root is None:
        example = "s3://bucket/prefix" if kind == "s3" else "gs://bucket/prefix"
        raise Place(_environ.CONFIG).refuse("root", f"a store of type {kind} needs one; add root={example}")
    return _allowed.url(root, place, scheme="s3" if kind == "s3" else "")


def _agree(settings: Settings) -> None:
    """Refuse settings that are right each by itself and wrong together."""
    config = Place(_environ.CONFIG)
    if settings.periodic_saving and settings.periodic_saving_interval is None:
        raise config.refuse(
            "periodic_saving",
            "it is enabled, but not how often; add periodic_saving_interval=auto, or =SECONDS",
        )
    if settings.type == "remote" and settings.ckpt_service_endpoint is None:
        raise config.refuse(
            "ckpt_service_endpoint", "a store of type remote needs it; add ckpt_service_endpoint=HOST"
        )
    if settings.encryption_key is not None and settings.encryption_key_file is not None:
        raise config.refuse(
            "encryption_key_file", f"{_environ.ENCRYPTION_KEY} gives a key, too; keep one of them"
        )
    if settings.trust == "signed" and settings.key is None:
        raise config.refuse("trust=signed", f"there is no key to sign with; put a secret into {_environ.KEY}")
