"""Which addresses may be connected to, and which URLs may be called."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.url_guard import UrlRefused, check_host, check_url, is_literal, refusal

REFUSED = [
    ("0.0.0.0", "this network"),  # noqa: S104 - nothing is bound to it
    ("0.1.2.3", "this network"),
    ("10.0.0.1", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.100.100.200", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "a cloud's own services"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.1", "protocol assignments"),
    ("192.0.0.192", "protocol assignments"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.0.1", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("0:0:0:0:0:0:0:1", "loopback"),
    ("::2", "reserved"),
    ("::127.0.0.1", "reserved"),
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:7f00:1", "loopback"),
    ("::ffff:10.1.2.3", "private"),
    ("::ffff:169.254.169.254", "link-local"),
    ("::ffff:0.0.0.0", "this network"),
    ("::ffff:0:127.0.0.1", "reserved"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::169.254.169.254", "link-local"),
    ("64:ff9b::a00:1", "private"),
    ("64:ff9b:1::1", "local NAT64"),
    ("100::1", "reserved"),
    ("2001::1", "Teredo"),
    ("2001:0:7f00:1:0:0:80ff:fffe", "Teredo"),
    ("2001:2::1", "protocol assignments"),
    ("2001:10::1", "protocol assignments"),
    ("2001:20::1", "protocol assignments"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::1", "6to4"),
    ("2002:a00:1::", "6to4"),
    ("2002:808:808::1", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("fc00::1", "private"),
    ("fd00:ec2::254", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%1", "link-local"),
    ("2a00:1450::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
    ("127.1", "not an address"),
    ("2130706433", "not an address"),
    ("0177.0.0.1", "not an address"),
    ("localhost", "not an address"),
    ("", "not an address"),
]
TAKEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
STRANGE_HOSTS = [
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.0x1",
    "0x",
    "256.1.1.1",
    "1.2.3.4.5",
    "127.0.0.1.",
    "127.0.0.01",
    "a.1",
    "a..b",
    ".a",
    "a.",
    "-a.example",
    "a-.example",
    "a b",
    "a%2eb",
    "%31%32%37.0.0.1",
    "a,b",
    "a'b",
    "localhost\x00",
    "\uff11\uff12\uff17.0.0.1",  # full-width digits
    "127。0。0。1",
    "ⓛocalhost",
    "bücher.example",
    "fe80::1%1",
    "x" * 64,
    ".".join(["x" * 60] * 5),
    "",
]


@pytest.mark.parametrize(("address", "why"), REFUSED)
def test_special_address_is_refused_with_its_reason(address: str, why: str) -> None:
    assert refusal(address) == why


@pytest.mark.parametrize("address", TAKEN)
def test_public_address_is_taken(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(network="::ffff:0:0/96") | st.ip_addresses(network="64:ff9b::/96"))
def test_address_inside_an_address_is_judged_as_itself(address: IPv6Address) -> None:
    assert refusal(str(address)) == refusal(str(IPv4Address(int(address) % 2**32)))


@given(st.ip_addresses(v=4))
def test_what_the_standard_library_calls_private_is_refused(address: IPv4Address) -> None:
    if address.is_private or address.is_loopback or address.is_multicast or address.is_reserved:
        assert refusal(str(address)) is not None


def test_allowed_networks_are_taken_and_nothing_beside_them() -> None:
    allowed = (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::1"):
        assert refusal(address, allowed) is None
    for address in ("10.0.0.1", "::1", "fc00::1", "::ffff:10.0.0.1", "fe80::1%lo"):
        assert refusal(address, allowed) is not None


@pytest.mark.parametrize("host", STRANGE_HOSTS)
def test_strange_host_is_refused(host: str) -> None:
    with pytest.raises(UrlRefused):
        check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "app.example",
        "a",
        "my_service",
        "xn--bcher-kva.example",
        "1a.example",
        "0x.example",
        "127.0.0.1",
        "8.8.8.8",
        "::1",
        "2001:db8::1",
        "APP.Example",
        "3com.com",
        "1.2.3.a",
    ],
)
def test_plain_name_and_usual_literal_are_taken(host: str) -> None:
    check_host(host)


def test_literals_are_what_no_resolver_sees() -> None:
    assert is_literal("127.0.0.1")
    assert is_literal("::1")
    assert not is_literal("localhost")
    assert not is_literal("127.1")


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/hooks",
        "http://app.example:8080/a%20b?c=d#e",
        "https://127.0.0.1:8443/",
        "https://[::1]:65535/",
        "HTTPS://APP.EXAMPLE",
        "https://app.example/é",
    ],
)
def test_usual_url_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example",
        "//app.example/",
        "ftp://app.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:///path",
        "https://",
        "https://:80/",
        "https://user@app.example/",
        "https://user:pass@app.example/",
        "https://app.example@127.0.0.1/",
        "https://app.example\\@127.0.0.1/",
        "https://app.example:0/",
        "https://app.example:65536/",
        "https://app.example:-1/",
        "https://app.example:x/",
        "https://[::1/",
        "https://[v1.a]/",
        "https://[app.example]/",
        "https://[fe80::1%25lo]x/",
        "https://::1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://bücher.example/",
        " https://app.example/",
        "https://app.example/a b",
        "https://app.example/\r\nX: y",
        "https://app.exa\tmple/",
        "https://app.example/\x00",
        "https://app.example/\u2028",
        "https://app.example/" + "x" * 2048,
    ],
)
def test_url_that_cannot_be_called_is_refused_in_words(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        check_url(url)
    assert str(caught.value).endswith(".")


@given(st.text() | st.from_regex(r"https?://[\[\]@:%.\w/\\-]{0,40}", fullmatch=True))
def test_no_url_raises_anything_else(url: str) -> None:
    try:
        check_url(url)
    except UrlRefused:
        return
    assert url.lower().startswith(("http://", "https://"))
