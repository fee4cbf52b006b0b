"""An authority of the tests' own, a server's certificate for loopback, and one nobody trusts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Names = list[x509.GeneralName]


@dataclass(frozen=True)
class Certificates:
    """PEM texts, and the server's two files."""

    ca: str
    other_ca: str
    server: Path
    server_key: Path
    ca_file: Path
    client: str
    client_key: str


def make(folder: Path) -> Certificates:
    """Make all of it."""
    ca, ca_key = _authority("Callboard tests")
    other, _ = _authority("Nobody")
    # Not its address: whoever connects to that must still ask for the name.
    server, server_key = _issue("localhost", [x509.DNSName("localhost")], ca, ca_key)
    client, client_key = _issue("board", [x509.DNSName("board")], ca, ca_key)
    files = {"ca.pem": _pem(ca), "server.pem": _pem(server), "server.key": _key(server_key)}
    for name, text in files.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    return Certificates(
        _pem(ca),
        _pem(other),
        folder / "server.pem",
        folder / "server.key",
        folder / "ca.pem",
        _pem(client),
        _key(client_key),
    )


def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    built = _builder(name, name, key).add_extension(x509.BasicConstraints(True, 0), True)
    return built.add_extension(usage, True).sign(key, hashes.SHA256()), key


def _issue(
    name: str, names: Names, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = str(ca.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    built = _builder(name, issuer, key).add_extension(x509.SubjectAlternativeName(names), False)
    built = built.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False
    )
    return built.sign(ca_key, hashes.SHA256()), key


def _builder(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
