"""Whatever is encrypted comes back, no key is used for two plaintexts, and no altered bit is taken."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lattice_addons.checkpoint._cipher import LOCK, Cipher, open_in_place, opened
from lattice_addons.checkpoint._encrypted import close_manifest, close_text, open_manifest, open_text
from lattice_addons.checkpoint._read import digest_of
from lattice_addons.errors import UntrustedError, WrongKeyError

CIPHER = Cipher(b"a secret that is long enough", "job/rank-00000/")
ELSEWHERE = Cipher(b"a secret that is long enough", "job/rank-00001/")
OTHER = Cipher(b"another secret, of some length", "job/rank-00000/")
SIZES = st.sampled_from([0, 1, 15, 16, 17, 4095, 65535, 65536, 65537, 4 << 20])


@given(st.binary(max_size=5000))
@example(b"")
def test_chunks_come_back(data: bytes) -> None:
    """With a lock that says all it takes, and as many bytes as there were."""
    encrypted, lock = CIPHER.lock(data)
    assert (len(encrypted), len(lock)) == (len(data), LOCK)
    assert opened(encrypted, lock) == data
    assert len(data) < 8 or encrypted != data


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(0, 255), st.integers(0, 100))
def test_what_is_encrypted_where_it_is_is_the_same(size: int, byte: int, before: int) -> None:
    """A block's bytes are encrypted in the block, and nothing beside them is touched."""
    data = bytes([byte]) * size
    block = bytearray(b"\7" * before + data + b"\7" * 100)
    view = memoryview(block)[before : before + size]
    lock = CIPHER.lock_in_place(view, digest_of(data))
    assert (bytes(view), lock) == CIPHER.lock(data)
    assert block[:before] == b"\7" * before
    assert block[before + size :] == b"\7" * 100
    open_in_place(view, lock)
    assert block == b"\7" * before + data + b"\7" * 100


@given(st.lists(st.binary(max_size=64), unique=True, min_size=2, max_size=20))
def test_no_key_meets_a_second_plaintext(datas: list[bytes]) -> None:
    """The nonce is always zero, so keys must be different: of all data, all lines and all secrets."""
    keys = [b64decode(cipher.lock(data)[1])[:32] for cipher in (CIPHER, ELSEWHERE, OTHER) for data in datas]
    assert len(set(keys)) == len(keys)
    again = Cipher(b"a secret that is long enough", "job/rank-00000/")
    assert [again.lock(data) for data in datas] == [CIPHER.lock(data) for data in datas]


@given(
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), unique=True, min_size=2, max_size=20)
)
@example([(b"ab", b"c"), (b"a", b"bc"), (b"", b"abc"), (b"1", b"2:3"), (b"12:", b"3")])
def test_no_text_has_the_salt_of_another(texts: list[tuple[bytes, bytes]]) -> None:
    """Nor has the same text in another context; the key follows from the salt."""
    salts = [CIPHER.write(text, context)[0] for text, context in texts]
    assert len(set(salts)) == len(salts)
    keys = {CIPHER._text_key(bytes.fromhex(salt)) for salt in salts}
    assert len(keys) == len(salts)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_no_altered_bit_of_a_chunk_is_taken(data: bytes, choice: st.DataObject) -> None:
    """GCM's tag says so before the digest is asked."""
    encrypted, lock = CIPHER.lock(data)
    at = choice.draw(st.integers(0, len(data) * 8 - 1))
    altered = bytearray(encrypted)
    altered[at // 8] ^= 1 << at % 8
    with pytest.raises(ValueError, match="altered"):
        opened(altered, lock)
    with pytest.raises(ValueError, match="altered"):
        open_in_place(memoryview(altered), lock)


@settings(max_examples=20, deadline=None)
@given(SIZES.filter(bool), st.data())
def test_no_altered_bit_of_a_large_chunk_is_taken(size: int, choice: st.DataObject) -> None:
    """Which is decrypted where it is: the tag is looked at before the memory is touched."""
    data = memoryview(bytearray(size))
    lock = CIPHER.lock_in_place(data, digest_of(bytes(size)))
    data[choice.draw(st.integers(0, size - 1))] ^= 1
    before = bytes(data)
    with pytest.raises(ValueError, match="altered"):
        open_in_place(data, lock)
    assert data == before


@given(st.binary(max_size=5000), st.binary(max_size=50))
def test_texts_come_back_in_their_context_only(text: bytes, context: bytes) -> None:
    """With the same secret, whichever line it is of: exports are of any."""
    told = close_text(text, CIPHER, context)
    for cipher in (CIPHER, ELSEWHERE):
        assert open_text(told, cipher, context, "it") == text
    with pytest.raises(UntrustedError, match="it was altered, or put in another's place"):
        open_text(told, CIPHER, context + b" ", "it")
    for wrong in (OTHER, None):
        with pytest.raises(WrongKeyError, match="LATTICE_ENCRYPTION_KEY"):
            open_text(told, wrong, context, "it")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
TOLD = close_text(b"text", CIPHER, b"")


@given(JSON | st.fixed_dictionaries({name: JSON | st.just(value) for name, value in TOLD.items()}))
def test_nonsense_in_the_place_of_a_text_is_refused(told: object) -> None:
    """Whatever JSON says there, it is one of our errors."""
    if told == TOLD:
        return
    with pytest.raises((UntrustedError, WrongKeyError)):
        open_text(told, CIPHER, b"", "it")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20), st.binary(max_size=200))
@example('\\n"encrypted": ', b'\n"encrypted": {}')
def test_manifests_come_back(job: str, rest: bytes) -> None:
    """To the byte, whatever job and values are called."""
    import orjson

    body = b'{\n"format": 1,\n"job": %b,\n"rank": 0,\n"number": 7,\n%b' % (orjson.dumps(job), rest)
    closed = close_manifest(body, CIPHER)
    assert orjson.loads(closed + b"}")["job"] == job
    assert open_manifest(closed, CIPHER, "the file") == body
    with pytest.raises(UntrustedError):
        open_manifest(closed.replace(b'"number": 7', b'"number": 8'), CIPHER, "the file")
