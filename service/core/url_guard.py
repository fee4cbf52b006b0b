"""May we call this URL, and may we connect to this address? Both are given by strangers.

A URL is checked where it is handed in; the address, at the moment of connecting, because a name may
mean another address by then. What is refused is what a service's own network would answer to.
"""

import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from urllib.parse import urlsplit

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

MAX_URL_LENGTH = 2048
MAX_SIGNED_LENGTH = 8192
"""With the token of a temporary key a signed URL of a store has 2 to 4 KB; common servers take lines of 8 KB."""
MAX_NAME_LENGTH = 253
"""RFC 1035, section 2.3.4, as written with dots."""

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_BRACKETED = re.compile(r"\[[0-9a-f.]*:[0-9a-f:.]*\](?::[0-9]*)?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
"""What the last part of a name looks like where system resolvers take the whole for an address."""

# The tables are our own: those of the `ipaddress` module differ between Python releases. Sources: the
# IANA registries of special-purpose IPv4 and IPv6 addresses.
SPECIAL_V4 = tuple(
    (IPv4Network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        (
            "168.63.129.16/32",
            "a cloud's own services",
        ),  # Azure's, a public number with a private meaning
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
SPECIAL_V6 = tuple(
    (IPv6Network(network), why)
    for network, why in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""All that is handed out to networks so far; whatever lies outside is refused."""
NAT64 = IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches IPv4 hosts, so its meaning is that of the address inside."""


BAD_PORTS = frozenset(
    (
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601),
        *(
            636,
            989,
            990,
            993,
            995,
            1719,
            1720,
            1723,
            2049,
            3659,
            4045,
            4190,
            5060,
            5061,
            6000,
            6379,
        ),
        *(6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211),
    )
)
"""Ports that browsers do not call either (the list of the Fetch standard), and those of Redis and memcached.

Lines of an HTTP request are commands to some of these servers.
"""


class UrlRefused(ValueError):
    """This URL cannot be called; the text says why and may be shown."""


def refusal(address: str, allowed: Sequence[IPNetwork] = ()) -> str | None:
    """Say why an address must not be connected to, or nothing.

    IPv4 inside IPv6 (mapped, NAT64) is judged as the IPv4 address it is. 6to4 and Teredo lead to
    an address inside as well, and nobody serves from there: they are refused altogether.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return "link-local"
        inner = _inner(parsed)
        if inner is not None:
            return None if _inside(parsed, allowed) else refusal(str(inner), allowed)
    return None if _inside(parsed, allowed) else _special(parsed)


def check_url(url: str, longest: int = MAX_URL_LENGTH) -> None:
    """Check what can be known of a URL without resolving it; raises UrlRefused.

    `longest` is how many characters it may have: signed URLs have more than others.
    """
    if len(url) > longest:
        raise UrlRefused(f"A URL has at most {longest} characters.")
    if "\\" in url or any(c <= " " or c == "\x7f" or c.isspace() for c in url):
        # Parsers disagree about these, or drop them silently.
        raise UrlRefused("A URL holds no white space, control characters or backslashes.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("This is not a URL, or its port is not a number up to 65535.") from None
    if parts.scheme not in {"http", "https"}:
        raise UrlRefused("Only http and https URLs can be called.")
    if "@" in parts.netloc:
        raise UrlRefused("A URL holds no user name or password.")
    if port in BAD_PORTS:
        raise UrlRefused(f"Port {port} belongs to another protocol than HTTP and is not called.")
    if "[" in parts.netloc and not _BRACKETED.fullmatch(parts.netloc):
        raise UrlRefused("Brackets in a URL hold an IPv6 address, without a zone.")
    check_host(parts.hostname or "")


def check_host(host: str) -> None:
    """Take plain names and addresses in their usual spelling; raises UrlRefused for all else.

    `127.1`, `0x7f000001` and `017700000001` are addresses to a system's resolver and names to a parser.
    """
    if is_literal(host):
        return
    if not host:
        raise UrlRefused("The URL names no host.")
    if not host.isascii():
        raise UrlRefused("The host is not ASCII; write its name as xn--….")
    labels = host.split(".")
    if len(host) > MAX_NAME_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("The host is not a plain name.")
    if _NUMBER.fullmatch(labels[-1]):
        raise UrlRefused("The host is a number, but not an IPv4 address as usually written.")


def is_literal(host: str) -> bool:
    """Say whether a host is an address in its usual spelling, which no resolver gets to see."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _inside(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address in network for network in networks)


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None


def _special(address: IPAddress) -> str | None:
    table = SPECIAL_V4 if isinstance(address, IPv4Address) else SPECIAL_V6
    for network, why in table:
        if address in network:
            return why
    if isinstance(address, IPv6Address) and address not in GLOBAL_V6:
        return "reserved"
    return None
