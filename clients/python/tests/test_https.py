"""HTTPS with a certificate that the system does not know."""

from __future__ import annotations

import pytest
from servers import Server

from memoryd_client import MemoryClient, UntrustedServerError


def test_a_certificate_that_nobody_knows_is_refused_and_nothing_is_kept(secure_server: Server) -> None:
    with MemoryClient(secure_server.url) as client:
        with pytest.raises(UntrustedServerError) as refused:
            client.remember_user_info("ann", "likes", "tea")

        assert "SSL_CERT_FILE" in str(refused.value)
        assert client.waiting() == []


def test_an_authority_can_be_given(secure_server: Server, certificate: tuple[str, str]) -> None:
    with MemoryClient(secure_server.url, ca=certificate[0]) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert secure_server.stored("ann") == ["tea"]


def test_an_authority_can_be_named(
    secure_server: Server, certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with MemoryClient(secure_server.url) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert secure_server.stored("ann") == ["tea"]


def test_certificates_can_be_passed_over(secure_server: Server) -> None:
    with MemoryClient(secure_server.url, verify=False) as client:
        client.remember_user_info("ann", "likes", "tea")

    assert secure_server.stored("ann") == ["tea"]


def test_an_authority_without_a_certificate_is_told_at_once(certificate: tuple[str, str]) -> None:
    for path in (certificate[1], "/no/such/file"):
        with pytest.raises(UntrustedServerError):
            MemoryClient("https://localhost", ca=path)


def test_the_server_of_this_machine_needs_no_certificate(secure_server: Server) -> None:
    if not (secure_server.data_dir / "memoryd.sock").exists():
        pytest.skip("only memoryd has a local socket")

    with MemoryClient() as client:
        client.remember_user_info("ann", "likes", "tea")

    assert secure_server.stored("ann") == ["tea"]
