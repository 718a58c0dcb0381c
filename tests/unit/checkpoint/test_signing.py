"""With a key, nothing that is unsigned, altered, replayed or moved is used."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from lattice_addons.checkpoint._seal import seal
from lattice_addons.errors import UntrustedError
from tests.unit.checkpoint.lines import forge, line_of, manifest, packs, save, values

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Line
    from lattice_addons.storage import Store

KEY = b"a secret that is long enough"


def signed(store: Store, keep: int = 3) -> Line:
    """Give a line that signs."""
    return line_of(store, key=KEY, keep=keep)


def test_what_is_signed_is_read_with_the_same_key(store: Store) -> None:
    """Signing is no obstacle to who has the key."""
    save(signed(store), n=1)
    assert b'"digest": "hmac-sha256:' in store.read(manifest(1))
    line = signed(store)
    assert values(line, line.newest()) == {"n": 1}


def test_an_unsigned_one_is_refused_and_the_signed_one_before_it_is_used(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """The fall-back is told in one warning."""
    save(signed(store), n=1)
    text = store.read(manifest(1)).replace(b'"number": 1', b'"number": 2').replace(b'"value":1', b'"value":6')
    store.put(manifest(2), seal(text[: text.rindex(b',\n"digest"')], None))
    line = signed(store)
    with pytest.raises(UntrustedError, match="not signed"):
        line.load(2)
    with caplog.at_level(logging.WARNING):
        assert values(line, line.newest()) == {"n": 1}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_it_is_an_error_when_there_is_none_that_is_good(store: Store) -> None:
    """A store that was never signed is not taken for an empty one."""
    save(line_of(store), n=1)
    with pytest.raises(UntrustedError, match="LATTICE_CHECKPOINT_KEY"):
        signed(store).newest()


@pytest.mark.parametrize("other", [b"another secret of some length", None])
def test_another_key_or_none_does_not_read_it(store: Store, other: bytes | None) -> None:
    """Without the key the signature cannot be checked, so the checkpoint cannot."""
    save(signed(store), n=1)
    with pytest.raises(UntrustedError):
        line_of(store, key=other).newest()


def test_every_altered_byte_is_found(memory: Store) -> None:
    """No byte before the signature is left out of it."""
    line = signed(memory)
    save(line, n=1)
    text = memory.read(manifest(1))
    for at in range(len(text)):
        memory.replace(manifest(1), text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
        with pytest.raises(ValueError, match="manifest"):
            line.load(1)


def test_a_signed_one_in_anothers_place_is_refused(store: Store) -> None:
    """An old state replayed under a new number, or another job's, is not used."""
    line = signed(store)
    save(line, n=1)
    store.put(manifest(2), store.read(manifest(1)))
    store.put("other/rank-00000/checkpoints/000000000001.json", store.read(manifest(1)))
    store.put("job/rank-00001/checkpoints/000000000001.json", store.read(manifest(1)))
    for elsewhere, number in (
        (line, 2),
        (line_of(store, "other", key=KEY), 1),
        (line_of(store, "job", 1, key=KEY), 1),
    ):
        with pytest.raises(UntrustedError, match="place"):
            elsewhere.load(number)


def test_a_slot_put_under_anothers_name_is_refused(store: Store) -> None:
    """The names and contents of the slots are all signed."""
    save(signed(store), a=1, b=2)
    text = store.read(manifest(1))
    swapped = text.replace(b'"a": {', b'"c": {').replace(b'"b": {', b'"a": {').replace(b'"c": {', b'"b": {')
    store.replace(manifest(1), swapped)
    with pytest.raises(UntrustedError):
        signed(store).load(1)


def test_an_altered_pack_is_found_by_a_signed_digest(store: Store) -> None:
    """What the packs hold is covered by the digests in the signed manifest."""
    line = signed(store)
    checkpoint = save(line, t=(1, 2))
    store.replace(packs(store)[0], b"x" * store.size(packs(store)[0]))
    with pytest.raises(ValueError, match="damaged"):
        values(line, checkpoint)


def test_retention_does_not_count_what_is_not_trusted(store: Store) -> None:
    """Unsigned checkpoints that somebody puts there do not push the signed ones out."""
    line = signed(store, keep=2)
    save(line, n=1)
    save(line, n=2)
    forge(store, 2, b'"value":2', b'"value":2', key=KEY)
    for number in (3, 4, 5):
        text = store.read(manifest(2)).replace(b'"number": 2', b'"number": %d' % number)
        store.put(manifest(number), seal(text[: text.rindex(b',\n"digest"')], None))
    again = signed(store, keep=2)
    line.release()
    again.acquire()
    again.retain()
    assert again.numbers() == [1, 2, 3, 4, 5]
    assert values(again, again.newest()) == {"n": 2}
    save(again, n=6)
    assert again.numbers()[-1] == 6
