"""Where somebody may have files kept: what is taken, what is refused in words, and what is never repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.archive_target import Store, check_target, read_store, spoken, store_of
from service.core.url_guard import MAX_URL_LENGTH, UrlRefused, check_url

STORES = ("s3://videos/archive", "s3://videos/archive/deep", "gs://more", "az://container/a/b/")
PART = st.from_regex(r"[A-Za-z0-9!_.()=+@,-]{1,12}", fullmatch=True).filter(
    lambda part: part not in {".", ".."}
)
PREFIX = st.lists(PART, max_size=4).map("/".join)
BUCKET = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True).filter(
    lambda name: "--" not in name
)


@pytest.mark.parametrize(
    ("to", "read"),
    [
        ("none", "none"),
        ("disk", "disk"),
        ("s3://videos/archive", "s3://videos/archive"),
        ("s3://videos/archive/", "s3://videos/archive"),
        ("s3://videos/archive/of/one=customer", "s3://videos/archive/of/one=customer"),
        ("gs://more", "gs://more"),
        ("gs://more/", "gs://more"),
        ("gs://more/any/where", "gs://more/any/where"),
        ("az://container/a/b/c", "az://container/a/b/c"),
        ("https://a.example/x?sig=1#f", ("https://a.example/x?sig=1#f",)),
        ("HTTP://a.example", ("HTTP://a.example",)),
        (
            ["https://a.example/1", "https://a.example/2"],
            ("https://a.example/1", "https://a.example/2"),
        ),
        (("https://a.example/1",) * 20, ("https://a.example/1",) * 20),
        ("https://a.example/?" + "t" * 8000, ("https://a.example/?" + "t" * 8000,)),
    ],
)
def test_what_may_be_asked_for_is_read(to: object, read: object) -> None:
    assert check_target(to, STORES) == read


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("", "http"),
        ("Disk", "http"),
        ("/var/lib", "http"),
        ("file:///etc", "http"),
        (None, "one, or a list"),
        (5, "one, or a list"),
        ({"to": "disk"}, "one, or a list"),
        ([], "up to 20"),
        (["https://a.example/"] * 21, "up to 20"),
        (["disk"], "put to http"),
        ([["https://a.example/"]], "put to http"),
        ([None], "put to http"),
        ("ftp://a.example/", "put to http"),
        ("https://", "names no host"),
        ("https://u:p@a.example/", "no user name"),
        ("https://a.example/\r\nX: y", "white space"),
        ("https://a.example:6379/", "Port 6379"),
        ("https://a.example/?" + "t" * 9000, "at most 8192"),
        ("s3://", "no name of a bucket"),
        ("s3:///archive", "no name of a bucket"),
        ("s3://Videos/archive", "no name of a bucket"),
        ("s3://vi/archive", "no name of a bucket"),
        ("s3://a..b/archive", "no name of a bucket"),
        ("s3://10.0.0.1/archive", "no name of a bucket"),
        ("s3://user@videos/archive", "no name of a bucket"),
        ("s3://videos:9/archive", "no name of a bucket"),
        ("az://con--tainer/a/b", "no name of a container"),
        ("az://con.tainer/a/b", "no name of a container"),
        ("s3://videos/archive/../other", "part of a prefix has"),
        ("s3://videos/archive/./x", "part of a prefix has"),
        ("s3://videos/archive//x", "part of a prefix has"),
        ("s3://videos//archive", "part of a prefix has"),
        ("s3://videos/archive/a b", "part of a prefix has"),
        ("s3://videos/archive/%2e%2e", "part of a prefix has"),
        ("s3://videos/archive?versionId=1", "part of a prefix has"),
        ("s3://videos/archive#x", "part of a prefix has"),
        ("s3://videos/archive/é", "part of a prefix has"),
        ("s3://videos/archive/" + "x" * 600, "at most 512"),
        ("s3://videos", "may write to"),
        ("s3://videos/", "may write to"),
        ("s3://videos/archives", "may write to"),
        ("s3://videos/other", "may write to"),
        ("s3://others/archive", "may write to"),
        ("gs://videos/archive", "may write to"),
        ("az://container/a", "may write to"),
        ("az://container/a/bc", "may write to"),
    ],
)
def test_what_may_not_be_asked_for_is_refused_in_words(to: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        check_target(to, STORES)
    assert str(caught.value).endswith(".")


def test_where_no_store_is_lent_none_is_named() -> None:
    with pytest.raises(ValueError, match="it has none"):
        check_target("s3://videos/archive", ())
    with pytest.raises(ValueError, match="it lends gs://more"):
        check_target("s3://videos/archive", ("gs://more",))


@given(st.text(alphabet="hts3://pax.?=&sig @:%", max_size=40) | st.text())
def test_any_text_is_read_or_refused_without_what_is_secret_in_it(text: str) -> None:
    for to in (
        text,
        f"https://a.example/?sig=s3cret{text}",
        f"s3://s3cret@{text}",
        f"s3://{text}?s3cret",
    ):
        said, read = "", None
        try:
            read = check_target(to, STORES)
        except ValueError as error:
            said = str(error)
        assert "s3cret" not in said
        assert said or read == (to,) or to.startswith(str(read))


@given(BUCKET, PREFIX, PREFIX)
def test_store_holds_what_is_below_it_and_nothing_else(bucket: str, prefix: str, more: str) -> None:
    store = Store("s3", bucket, prefix)
    assert read_store(store.url) == store
    below = Store("s3", bucket, "/".join(filter(None, (prefix, more))))
    assert store.holds(below)
    assert below.holds(store) is (not more)
    assert not store.holds(below._replace(scheme="gs"))
    assert not store.holds(below._replace(bucket=f"{bucket}x"))
    assert store.holds(below._replace(prefix=f"{prefix}x")) is (not prefix)


def test_nearest_of_several_stores_is_found() -> None:
    stores = [read_store(url) for url in STORES]
    near = store_of(read_store("s3://videos/archive/deep/er"), stores)
    assert near == Store("s3", "videos", "archive/deep")
    assert store_of(read_store("s3://videos/archive/deeper"), stores) == stores[0]
    assert store_of(read_store("s3://videos/other"), stores) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://a.example/b%20c?sig=s3cret#s3cret", "https://a.example/b%20c"),
        ("https://u:s3cret@a.example:8/", "https://a.example:8/"),
        ("https://a.example?sig=s3cret", "https://a.example"),
    ],
)
def test_what_is_secret_of_a_url_is_not_spoken(url: str, said: str) -> None:
    assert spoken(url) == said


def test_only_signed_urls_may_be_longer_than_others() -> None:
    url = "https://a.example/".ljust(MAX_URL_LENGTH + 1, "x")
    check_url(url, len(url))
    with pytest.raises(UrlRefused, match="at most 2048"):
        check_url(url)
