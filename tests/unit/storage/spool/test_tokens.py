"""Programs hand the uploader their tokens by its pipe, where pokes go as well."""

from __future__ import annotations

import pytest

from lattice_addons.storage.spool._tokens import Heard, handed


def test_tokens_come_between_pokes() -> None:
    """In whatever pieces they are read; one that is known is told once."""
    heard = Heard()
    text = b"." + handed("job/rank-00000/", "one") + b"!" + handed("other/rank-00000/", "two") + b"."
    pokes = b""
    told: dict[str, str] = {}
    for at in range(0, len(text), 7):
        some, new = heard.take(text[at : at + 7])
        pokes += some
        told |= new
    assert (pokes, told) == (b".!.", {"job": "one", "other": "two"})
    assert heard.take(handed("job/rank-00000/", "one") + b".") == (b".", {})
    assert heard.take(handed("job/rank-00000/", "new")) == (b"", {"job": "new"})


@pytest.mark.parametrize("torn", [b"=[", b"=\xff", b"=null", b'=["job"]', b'=[[], "token"]'])
def test_what_is_torn_is_nothing(torn: bytes) -> None:
    """The uploader goes on: what comes behind it is heard."""
    said = b"\n" + torn + b"\n!" + handed("job/rank-00000/", "token")
    assert Heard().take(said) == (b"!", {"job": "token"})
