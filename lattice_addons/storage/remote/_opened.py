"""A file system is made when it is first used, once in every process: none of them survives a fork."""

from __future__ import annotations

import errno
import os
import weakref
from typing import TYPE_CHECKING, Any

from lattice_addons._service_url import is_service
from lattice_addons.errors import StoreError
from lattice_addons.storage._faults import coded
from lattice_addons.storage.remote._faults import Where
from lattice_addons.storage.remote._options import file_system_options, without_secrets
from lattice_addons.storage.remote._patience import Pulse, in_thread, persist
from lattice_addons.storage.remote._registered import know_lattice
from lattice_addons.storage.remote._webdav import quote_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lattice_addons.storage.remote._files import Files

__all__ = ["open_files"]

_S3 = ("s3", "s3a")
_LOADING = 20.0  # seconds that imports and the search for credentials may take on a busy machine
_WEBDAV = ("webdav", "dav")
_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
} | {
    "sftp": "sftp",
    "ssh": "sftp",
    "webdav": "webdav",
    "dav": "webdav",
}


def open_files(
    url: str, options: Mapping[str, str], patience: float, refused: Callable[[], None] | None = None
) -> Files:
    """Give the files behind a URL; ``refused`` is called when credentials are that were found when it was opened."""
    given = file_system_options(options)
    kind = url.partition("://")[0].partition("::")[0]
    if kind == "zip":
        from lattice_addons.storage.remote._zip import ZipFiles, archive_of

        archive = archive_of(url, given)
        if archive is not None:
            return ZipFiles(*archive, Where(without_secrets(url), archive[0], "", patience))
    if is_service(url):
        from lattice_addons.storage.remote._service_opened import open_service

        return open_service(url, given, patience)
    if kind in _S3:
        given = _for_s3(given, patience)
    where = Where(without_secrets(url), _endpoint(url, given), _bucket(url), patience, refused)
    system, path = _make(url, kind, given, where)
    if kind in _S3:
        from lattice_addons.storage.remote._s3 import S3Files

        return S3Files(system, path, where)
    from lattice_addons.storage.remote._tree import TreeFiles

    return TreeFiles(system, path, kind, where)


def _make(url: str, kind: str, given: Mapping[str, object], where: Where) -> tuple[Any, str]:
    """Make the file system; some connect at once, so this has a deadline as well."""

    def make() -> tuple[Any, str]:
        import fsspec.asyn
        import fsspec.core

        know_lattice()
        system, path = fsspec.core.url_to_fs(url, skip_instance_cache=True, **given)
        if kind in _S3:
            # Reads descriptions of services and looks for credentials: that the store is silent it cannot mean.
            fsspec.asyn.sync(system.loop, system.set_session)
        # A listing that is kept shows what was there: keys of others would never be seen.
        system.dircache.use_listings_cache = False
        system.invalidate_cache()
        client = getattr(system, "client", None) if kind in _WEBDAV else None
        if client is not None:
            quote_names(client)
            # Nobody else closes it. Not at exit: then the sockets go with the process.
            weakref.finalize(system, client.http.close).atexit = False
        return system, path

    try:
        seconds = max(where.patience, _LOADING if kind in _S3 else 0)
        return persist(lambda _, __: in_thread(make, Pulse(seconds)), where)
    except ImportError as error:
        extra = _EXTRAS.get(kind)
        how = f"pip install 'lattice-addons[{extra}]'" if extra else "install the package that it names"
        message = f"{where.url} needs a package that is not here ({error}): {how}"
        raise coded(StoreError(message, url=where.url), errno.ENOENT) from error
    except (TypeError, ValueError, KeyError) as error:
        message = (
            f"{where.url} cannot be opened with these options ({error}): correct root=, or the opt.* options; "
            f"they are the arguments of fsspec's file system for {kind}://"
        )
        raise coded(StoreError(message, url=where.url), errno.EINVAL) from error
    except Exception as error:  # noqa: BLE001 - what file systems raise has no common base
        raise where.explain(error, "the connection") from None


def _for_s3(given: dict[str, object], patience: float) -> dict[str, object]:
    """Add what makes the SDK give up in time; what the user says of it stands."""
    from botocore.config import Config

    asked = given.get("config_kwargs")
    defaults: dict[str, object] = {
        "connect_timeout": min(patience / 3, 10),
        "read_timeout": patience,
        "retries": {"total_max_attempts": 1},  # we try again, and know then whose object a 412 is about
        "max_pool_connections": 32,
        # Ours are in the format; many stores that speak S3 refuse those that the SDK adds unasked.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    known = {name: value for name, value in defaults.items() if name in Config.OPTION_DEFAULTS}
    config = known | (asked if isinstance(asked, dict) else {})
    return given | {"config_kwargs": config, "use_listings_cache": False}


def _endpoint(url: str, given: Mapping[str, object]) -> str:
    """Give the name of the machine that is asked, for messages."""
    inner = given.get("client_kwargs")
    inner = inner if isinstance(inner, dict) else {}
    told = given.get("endpoint_url") or inner.get("endpoint_url") or given.get("base_url")
    if url.startswith("s3"):
        told = (
            told or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "Amazon S3"
        )
    shown = without_secrets(str(told or url))
    kind, there, rest = shown.partition("://")
    return shown if told or not there else f"{kind}://{rest.partition('/')[0]}"


def _bucket(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]
