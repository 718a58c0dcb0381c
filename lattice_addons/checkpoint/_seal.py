"""The last line of a manifest proves all bytes before it: a digest, or with a key a signature."""

from __future__ import annotations

import re

from lattice_addons.errors import DamagedError, UntrustedError

_TAIL = re.compile(rb',\n"digest": "(blake3|hmac-sha256):([0-9a-f]{64})"\n\}\n\Z')
_TAIL_LENGTH = 100


def seal(body: bytes, key: bytes | None) -> bytes:
    """Give the body of a manifest with its last lines."""
    name, digest = ("blake3", _blake3(body)) if key is None else ("hmac-sha256", _hmac(body, key))
    return b'%b,\n"digest": "%b:%b"\n}\n' % (body, name.encode(), digest.encode())


def unseal(text: bytes, key: bytes | None, where: str) -> bytes:
    """Give the body of a manifest, whose seal must be good; `where` names its file."""
    # The tail is matched to the last byte, because the digest does not cover it.
    tail = _TAIL.search(text, max(0, len(text) - _TAIL_LENGTH))
    if tail is None:
        raise damaged(where, "it does not end as a manifest does; it may be truncated")
    body, name, digest = text[: tail.start()], tail[1].decode(), tail[2].decode()
    if key is None:
        _check_digest(body, name, digest, where)
    else:
        _check_signature(body, name, digest, key, where)
    return body


def damaged(where: str, what: str) -> DamagedError:
    """Make the error for a manifest that is not what was written."""
    message = f"the manifest {where} is damaged: {what}. `lattice verify` shows what is still good."
    return DamagedError(message, key=where)


def _check_digest(body: bytes, name: str, digest: str, where: str) -> None:
    if name != "blake3":
        message = (
            f"the manifest {where} is signed, and without the key it cannot be checked; "
            "set LATTICE_CHECKPOINT_KEY to the key it was signed with"
        )
        raise UntrustedError(message, key=where)
    if _blake3(body) != digest:
        raise damaged(where, "its digest is not that of its bytes; it was altered")


def _check_signature(body: bytes, name: str, digest: str, key: bytes, where: str) -> None:
    if name != "hmac-sha256":
        message = (
            f"the manifest {where} is not signed, and with LATTICE_CHECKPOINT_KEY set only signed ones are "
            "used; unset the key if you trust it, or remove the job by `lattice clear`"
        )
        raise UntrustedError(message, key=where)
    from hmac import compare_digest

    if not compare_digest(_hmac(body, key), digest):
        message = (
            f"the manifest {where} was altered, or signed with another key than LATTICE_CHECKPOINT_KEY has; "
            "it is not used"
        )
        raise UntrustedError(message, key=where)


def _blake3(body: bytes) -> str:
    from blake3 import blake3

    return blake3(body).hexdigest()


def _hmac(body: bytes, key: bytes) -> str:
    import hmac  # it loads OpenSSL, which a program without a key need not wait for

    return hmac.new(key, body, "sha256").hexdigest()
