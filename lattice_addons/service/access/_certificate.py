"""A certificate and its key are tried before anything listens, so that what is wrong with them is said at once."""

from __future__ import annotations

import ssl

from lattice_addons.errors import SettingsError

__all__ = ["check_certificate"]


def check_certificate(certfile: str | None, keyfile: str | None) -> None:
    """Load a certificate and the key that belongs to it.

    Raises:
        SettingsError: they cannot be read, or do not fit together, or there is a key alone.
    """
    if certfile is None:
        if keyfile is not None:
            message = "--keyfile is the key of a certificate: name that by --certfile"
            raise SettingsError(message, variable="--keyfile", part=keyfile)
        return
    try:
        # A key with a password would be asked for at a terminal that a service does not have.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password="")
    except (OSError, ValueError) as error:
        files = certfile if keyfile is None else f"{certfile} and {keyfile}"
        message = (
            f"cannot use the certificate {files} ({error}): --certfile takes a PEM file, with those that signed it "
            "behind it, and --keyfile its key, without a password"
        )
        raise SettingsError(message, variable="--certfile", part=certfile) from error
