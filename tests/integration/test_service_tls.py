"""A service with a certificate: what is sent cannot be read or answered by anybody in between."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("uvicorn", reason="needs the extra `service`")

from lattice_addons.errors import LatticeError
from lattice_addons.service import Tokens
from lattice_addons.storage import LocalStore, RemoteStore
from tests.integration.commands import lattice
from tests.integration.services import Server
from tests.program import clean_environ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def certify(folder: Path, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
    """Make a certificate for an address, signed by itself; give its file and its key's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certfile, keyfile = folder / f"{name}.crt", folder / f"{name}.key"
    certfile.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    keyfile.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return certfile, keyfile


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Give a service with a certificate and tokens, and the certificate's file."""
    folder = tmp_path_factory.mktemp("secured")
    certfile, keyfile = certify(folder, "service")
    server = Server(folder / "served")
    server.secure = True
    server.options = ["--certfile", str(certfile), "--keyfile", str(keyfile), "--require-tokens"]
    server.start()
    yield server, certfile
    server.kill()


def test_a_program_stores_over_tls(secured: tuple[Server, Path]) -> None:
    """With the certificate and a token a client stores and reads; with another certificate it sends nothing."""
    server, certfile = secured
    token, shown = Tokens(LocalStore(server.path)).create("", "admin")
    options = {"tls": "true", "cafile": str(certfile), "token": shown}
    url = f"lattice://127.0.0.1:{server.port}/job"

    store = RemoteStore(url, options)
    store.put("rank-00000/x", b"abc")
    assert store.read("rank-00000/x") == b"abc"

    other, _ = certify(certfile.parent, "other")
    with pytest.raises(LatticeError):
        RemoteStore(url, options | {"cafile": str(other)}).put("rank-00000/y", b"abc")
    with pytest.raises(LatticeError):
        RemoteStore(url, {"tls": "true", "token": shown}).put("rank-00000/y", b"abc")
    assert not (server.path / "job" / "rank-00000" / "y").exists()
    assert Tokens(LocalStore(server.path)).revoke(token.id).id == token.id


def test_nothing_older_and_nothing_plain(secured: tuple[Server, Path]) -> None:
    """It speaks TLS 1.2 or newer only; plain HTTP gets no answer."""
    server, certfile = secured
    context = ssl.create_default_context(cafile=str(certfile))
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=context)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    assert connection.sock.version() in ("TLSv1.2", "TLSv1.3")
    connection.close()

    plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    plain.request("GET", "/healthz")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        plain.getresponse()
    plain.close()


@pytest.mark.parametrize("missing", ["certfile", "keyfile", "wrong key"])
def test_no_start_with_files_that_do_not_fit(tmp_path: Path, missing: str) -> None:
    """A file that is not there, or is not the certificate's key, is told in one sentence, before anything listens."""
    certfile, keyfile = certify(tmp_path, "service")
    _, other = certify(tmp_path, "other")
    files = {
        "certfile": (tmp_path / "none", keyfile),
        "keyfile": (certfile, tmp_path / "none"),
        "wrong key": (certfile, other),
    }[missing]
    given = ("--certfile", str(files[0]), "--keyfile", str(files[1]))
    ended = lattice("serve", "--root", str(tmp_path / "served"), "--port", "0", *given)

    assert ended.returncode == 64
    assert "--certfile" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - with a token, and for a moment
def test_who_serves_others_in_the_clear_is_told(tmp_path: Path, host: str) -> None:
    """A service for other machines says that tokens can be read on the way; one for this machine has nothing to say."""
    Tokens(LocalStore(tmp_path)).create("team-", "write")
    command = [sys.executable, "-m", "lattice_addons.cli", "serve", "--root", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--host", host, "--port", "0"],
        env=clean_environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        assert service.stdout is not None
        assert service.stderr is not None
        # It listens when it says where.
        assert "127.0.0.1" in (first := service.stdout.readline()) or "0.0.0.0" in first  # noqa: S104
        service.terminate()
        assert ("--certfile" in service.stderr.read()) is (host != "127.0.0.1")
