"""Self-made certificates; who trusts one trusts it as its own authority."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cti.sandbox.ports import LOOPBACK


@dataclass(frozen=True)
class Pem:
    """A certificate and its key, as files."""

    chain: Path
    key: Path

    @property
    def web(self) -> dict[str, str]:
        """The [web] settings for it."""
        return {"tls_certificate": str(self.chain), "tls_key": str(self.key)}


def self_made(folder: Path, days: float = 100, address: str = LOOPBACK) -> Pem:
    """Make a certificate for a host's address that is valid for so many days more."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "panel.example.com")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(hosts, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = Pem(folder / "chain.pem", folder / "key.pem")
    pem.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem


def encrypted(key: bytes) -> bytes:
    """The same key, behind a passphrase."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"nobody types it"),
    )
