"""What is stored of values is encrypted with AES-256-GCM, and what opens it stands only where it is encrypted itself.

Every text and every chunk has a key of its own, made of the secret and of a digest of the very bytes that are
encrypted with it. So no key ever meets a second plaintext, and the nonce, which must never be used twice with one
key, can always be zero: no counter can be lost in a crash, and no copied machine can draw the same random number.
The same chunk of the same line always becomes the same bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from lattice_addons.checkpoint._model import CHUNK
from lattice_addons.checkpoint._secret import missing_package, secret_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
    from cryptography.hazmat.primitives.ciphers import CipherContext
    from cryptography.hazmat.primitives.ciphers.modes import GCM

    from lattice_addons.settings import Settings

    Data = bytes | bytearray | memoryview

__all__ = ["LOCK", "Cipher", "cipher_of", "open_in_place", "opened"]

#: How long the text of a lock is: a key of 32 bytes and a tag of 16, in base 64.
LOCK: Final = 64
_KEY, _TAG = 32, 16
_NONCE = bytes(12)
# From here on the memory for a result is worth keeping: to have the system clear new memory takes as long again.
_LARGE = 64 * 1024


# Memory for results that nobody uses now. Not one for each thread: a signal's handler may save within a save.
_scratch: list[memoryview] = []


class Cipher:
    """Encrypts and decrypts what one line stores.

    Raises:
        SettingsError: the package that does it is not installed.
    """

    def __init__(self, secret: bytes, folder: str = "") -> None:
        # All that is ever needed is imported now: a program that is being ended can import nothing.
        try:
            from cryptography.hazmat.primitives import hashes
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        except ImportError as error:
            raise missing_package(error) from error

        def derived(purpose: str) -> bytes:
            info = f"lattice 1 {purpose}".encode()
            return HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=info).derive(secret)

        #: Tells this secret from others, and nothing else about it.
        self.name: str = derived("name")[:8].hex()
        self._salts = derived("salts")
        self._texts = derived("texts")
        # Of each line its own: that two jobs have the same chunk cannot be seen.
        self._chunks = derived(f"chunks {folder}")
        self.read(self.write(b"", b""), b"")

    def lock(self, data: Data) -> tuple[bytes, str]:
        """Give encrypted bytes, as many as they were, and their lock."""
        key = self._key_of(blake3(data).digest())
        encrypted, tag = _encrypt(key, data)
        return encrypted, _told(key, tag)

    def lock_in_place(self, data: memoryview, digest: str) -> str:
        """Encrypt bytes where they are, whose digest is known, and give their lock."""
        key = self._key_of(bytes.fromhex(digest))
        if len(data) < _LARGE:
            data[:], tag = _encrypt(key, data)
            return _told(key, tag)
        encryptor = _gcm(key).encryptor()
        with _passed(encryptor, data) as encrypted:
            encryptor.finalize()
            data[:] = encrypted
        return _told(key, encryptor.tag)

    def write(self, text: bytes, context: bytes) -> tuple[str, str]:
        """Give the salt and the encrypted form, in base 64, of a text that is good in this context only."""
        salt = blake3(b"%d:%b%b" % (len(context), context, text), key=self._salts).digest()
        encrypted, tag = _encrypt(self._text_key(salt), text, context)
        return salt.hex(), b64encode(encrypted + tag).decode()

    def read(self, told: tuple[str, str], context: bytes) -> bytes:
        """Give a text; ``ValueError`` where it is not the one that was written with this secret in this context."""
        salt, encrypted = bytes.fromhex(told[0]), b64decode(told[1], validate=True)
        return _decrypt(self._text_key(salt), encrypted[:-_TAG], encrypted[-_TAG:], context)

    def _text_key(self, salt: bytes) -> bytes:
        return blake3(salt, key=self._texts).digest()

    def _key_of(self, digest: bytes) -> bytes:
        return blake3(digest, key=self._chunks).digest()


def cipher_of(settings: Settings, folder: str = "") -> Cipher | None:
    """Give the cipher for a line of these settings; None where nothing is encrypted.

    Raises:
        SettingsError: there is a key, and it cannot be used.
    """
    secret = secret_of(settings)
    return Cipher(secret, folder) if secret is not None else None


def opened(data: Data, lock: str) -> bytes:
    """Give a chunk's bytes as they were before they were encrypted; ``ValueError`` where they are others now."""
    key, tag = _parts(lock)
    return _decrypt(key, data, tag)


def open_in_place(data: memoryview, lock: str) -> None:
    """Decrypt a chunk's bytes where they are, in memory that is no other thread's; ``ValueError`` as above."""
    key, tag = _parts(lock)
    if len(data) < _LARGE:
        data[:] = _decrypt(key, data, tag)
        return
    decryptor = _gcm(key, tag).decryptor()
    with _passed(decryptor, data) as decrypted:
        _finish(decryptor)
        data[:] = decrypted


def _parts(lock: str) -> tuple[bytes, bytes]:
    try:
        parts = b64decode(lock, validate=True)
    except Base64Error as error:
        raise ValueError(f"a chunk has no lock: {error}") from error
    return parts[:_KEY], parts[_KEY:]


@contextmanager
def _passed(through: CipherContext, data: memoryview) -> Iterator[memoryview]:
    """Have bytes encrypted or decrypted into memory that is used again afterwards."""
    try:
        scratch = _scratch.pop()
    except IndexError:
        # Older versions of the package ask for room for one more block.
        scratch = memoryview(bytearray(CHUNK + _TAG))
    through.update_into(data, scratch[: len(data) + _TAG])
    yield scratch[: len(data)]
    _scratch.append(scratch)


def _told(key: bytes, tag: bytes) -> str:
    return b64encode(key + tag).decode()


def _gcm(key: bytes, tag: bytes | None = None) -> Primitive[GCM]:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import GCM
    except ImportError as error:
        raise missing_package(error) from error
    return Primitive(AES(key), GCM(_NONCE, tag))


def _encrypt(key: bytes, data: Data, context: bytes = b"") -> tuple[bytes, bytes]:
    encryptor = _gcm(key).encryptor()
    encryptor.authenticate_additional_data(context)
    encrypted = encryptor.update(data) + encryptor.finalize()
    return encrypted, encryptor.tag


def _decrypt(key: bytes, data: Data, tag: bytes, context: bytes = b"") -> bytes:
    decryptor = _gcm(key, tag).decryptor()
    decryptor.authenticate_additional_data(context)
    decrypted = decryptor.update(data)
    _finish(decryptor)
    return decrypted


def _finish(decryptor: CipherContext) -> None:
    from cryptography.exceptions import InvalidTag

    try:
        decryptor.finalize()
    except InvalidTag:
        raise ValueError("what is encrypted was altered, or with another key") from None
