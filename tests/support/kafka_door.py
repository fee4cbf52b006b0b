"""A door before librdkafka's mock cluster, for what the mock cannot do: TLS and logins (SASL PLAIN).

It speaks just enough of the Kafka protocol: requests 17 and 36 it answers itself, all others it hands on. Clients
come with TLS or without, to the same port: the first byte tells.
"""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANDSHAKE, VERSIONS, AUTHENTICATE = 17, 18, 36
LOGIN_FAILED = 58
TLS_BEGINS = b"\x16"
LOGINS = struct.pack(">hhhhhh", HANDSHAKE, 0, 1, AUTHENTICATE, 0, 0)
"""What the answer to request 18 says besides: which versions of the two there are."""


class Door:
    """Listens on loopback, in threads of its own; `users` are names and passwords, None lets everybody in."""

    def __init__(self, behind: int, users: Mapping[str, str] | None, tls: ssl.SSLContext) -> None:
        self._behind, self._users, self._tls = behind, users, tls
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.port = 0

    def start(self) -> None:
        """Listen; after a stop, on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Cut all connections and take no more."""
        if self._listener is not None:
            # A close alone would leave the thread in its accept.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = listener.accept()
                self._open.add(one)
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        client = raw
        try:
            if raw.recv(1, socket.MSG_PEEK) == TLS_BEGINS:
                client = self._tls.wrap_socket(raw, server_side=True)
                self._open.add(client)
            with socket.create_connection(("127.0.0.1", self._behind)) as broker:
                self._talk(client, broker)
        except (OSError, EOFError):
            pass
        finally:
            self._open -= {raw, client}
            client.close()

    def _talk(self, client: socket.socket, broker: socket.socket) -> None:
        known = self._users is None
        while True:
            request = _read(client)
            number, _, correlation = struct.unpack(">hh4s", request[:8])
            if self._users is not None and number == HANDSHAKE:
                answer = correlation + struct.pack(">hih", 0, 1, 5) + b"PLAIN"
            elif self._users is not None and number == AUTHENTICATE:
                known = self._may(request)
                error, text = (0, b"") if known else (LOGIN_FAILED, b"Authentication failed")
                answer = correlation + struct.pack(">hh", error, len(text)) + text + bytes(4)
            elif known or number == VERSIONS:
                _write(broker, request)
                answer = _read(broker)
            else:
                raise EOFError
            if self._users is not None and number == VERSIONS:
                count = struct.unpack(">i", answer[6:10])[0] + 2
                answer = answer[:6] + struct.pack(">i", count) + answer[10:] + LOGINS
            _write(client, answer)

    def _may(self, request: bytes) -> bool:
        """Read the login: a header with a client id, then bytes with two NUL."""
        length = struct.unpack(">h", request[8:10])[0]
        _, user, password = request[14 + length :].split(b"\0")
        assert self._users is not None
        return self._users.get(user.decode()) == password.decode()


def _read(from_: socket.socket) -> bytes:
    size = struct.unpack(">i", _exactly(from_, 4))[0]
    return _exactly(from_, size)


def _exactly(from_: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = from_.recv(size - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return bytes(found)


def _write(to: socket.socket, message: bytes) -> None:
    to.sendall(struct.pack(">i", len(message)) + message)


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """Make a certificate for names and addresses that signs itself; gives a server's context, and it as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kafka")])
    began = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    alternatives = x509.SubjectAlternativeName([_alternative(n) for n in names])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=36_500))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "kafka.pem"
    file.write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
