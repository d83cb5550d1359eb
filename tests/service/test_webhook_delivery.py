"""A single delivery: to which addresses it goes, over which connection, and how it is signed."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.webhooks import posting
from service.webhooks.addresses import AddressRefused, CheckedConnections, Network, reachable
from service.webhooks.signing import SignatureWrong, signed_headers, verify
from tests.receiver import Receiver, receiving

LOOPBACK: list[Network] = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0",
        "0x7f.1",
        "2130706433",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "2001:0:1::f5ff:fffe",
        "fe80::1",
        "fd00::1",
        "ff02::1",
    ],
)
def test_no_private_address_is_reachable_however_it_is_written(host: str) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        reachable(host, 80, [])


def test_public_addresses_and_those_of_named_networks_are_reachable() -> None:
    assert reachable("93.184.215.14", 443, []) == ["93.184.215.14"]
    assert reachable("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443, [])
    assert reachable("127.0.0.1", 80, LOOPBACK) == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        reachable("10.0.0.1", 80, LOOPBACK)


def test_the_address_is_checked_when_the_connection_is_made(receiver: Receiver) -> None:
    async def send(networks: list[Network]) -> posting.Answer:
        return await posting.post(receiver.address, "whsec_aaaa", "1", b"{}", networks)

    assert asyncio.run(send(LOOPBACK)).taken
    refused = asyncio.run(send([]))
    assert refused.reason == "the host's address is not public"
    assert len(receiver.deliveries) == 1


def test_a_connection_goes_to_the_first_address_that_takes_one(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A name with an address of a machine that is not there, and one of the receiver's.
    both = ["127.0.0.9", "127.0.0.1"]
    monkeypatch.setattr("service.webhooks.addresses.reachable", lambda *_: both)
    port = int(receiver.address.rpartition(":")[2])

    async def connect() -> Any:
        stream = await CheckedConnections([]).connect_tcp("receiver.example", port)
        address = stream.get_extra_info("server_addr")
        await stream.aclose()
        return address

    assert asyncio.run(connect()) == ("127.0.0.1", port)
    monkeypatch.setattr("service.webhooks.addresses.reachable", lambda *_: both[:1])
    with pytest.raises(httpcore.ConnectError):
        asyncio.run(connect())


def test_a_signature_is_the_one_that_the_specification_has_and_ends_with_its_time() -> None:
    # The example of the Standard Webhooks specification's reference libraries.
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = signed_headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    verify(secret, headers, body, now=1614265330 + 299)
    with pytest.raises(SignatureWrong, match="five minutes"):
        verify(secret, headers, body, now=1614265330 + 301)
    with pytest.raises(SignatureWrong, match="secret"):
        verify(secret, headers, body + b" ", now=1614265330)
    with pytest.raises(SignatureWrong, match="secret"):
        verify(secret, headers | {"webhook-timestamp": "1614265331"}, body, now=1614265330)


def test_who_receives_over_tls_is_who_the_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with receiving(context) as secure:
        port = secure.address.rpartition(":")[2]

        def send(host: str) -> posting.Answer:
            posting._tls.cache_clear()
            url = f"https://{host}:{port}/"
            return asyncio.run(posting.post(url, "whsec_aaaa", "1", b"{}", LOOPBACK))

        assert "CERTIFICATE_VERIFY_FAILED" in str(send("localhost").reason)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        # The address is looked up and pinned, and the certificate still has to be the name's.
        assert send("localhost").taken
        assert "CERTIFICATE_VERIFY_FAILED" in str(send("127.0.0.1").reason)
    monkeypatch.undo()
    posting._tls.cache_clear()


def _certificate(folder: Path, name: str) -> Path:
    """A file with a key and a certificate that it has signed itself, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(private + certificate.public_bytes(pem))
    return file
