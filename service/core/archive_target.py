"""Where somebody may have files kept: checked where it is handed in, and again before anything is written.

Stores are the operator's and are written to with the operator's credentials: a caller chooses a place inside one of
them and no other. Addresses that take a PUT are the caller's own.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from service.core.media import DISK, NONE, STORES
from service.core.url_guard import MAX_SIGNED_LENGTH, UrlRefused, check_url

MAX_URLS = 20
"""As many as a task may have results."""
MAX_PREFIX = 512
"""A key has at most 1024 bytes (S3, GCS and Azure); the name of a file takes up to 200 of them."""

_BUCKETS = {
    "s3": re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    "gs": re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
    "az": re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
}
"""How buckets and containers are named, by the rules of each cloud."""
_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_PART = re.compile(r"[A-Za-z0-9!_.()=+@,-]+")
"""What every store takes as it is, and no URL writes in another way."""


class Store(NamedTuple):
    """A bucket or container of a cloud, and the prefix of all keys in it that are meant; without slashes around."""

    scheme: str
    bucket: str
    prefix: str

    @property
    def root(self) -> str:
        """The URL of the bucket alone."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def url(self) -> str:
        """Write it as it is usually written."""
        return f"{self.root}/{self.prefix}" if self.prefix else self.root

    def holds(self, other: "Store") -> bool:
        """Say whether all keys of the other are keys of this one."""
        if (self.scheme, self.bucket) != (other.scheme, other.bucket):
            return False
        return not self.prefix or f"{other.prefix}/".startswith(f"{self.prefix}/")


def read_store(url: str) -> Store:
    """Read `s3://bucket/prefix` (or gs, az); raises ValueError with what is wrong, for people."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in STORES:
        raise ValueError(
            "A store is written as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix."
        )
    bucket, _, prefix = rest.partition("/")
    # What is wrong is not repeated: it may be a key before an @, or the signature of a URL.
    if not _BUCKETS[scheme].fullmatch(bucket) or _ADDRESS.fullmatch(bucket):
        what = "container" if scheme == "az" else "bucket"
        raise ValueError(f"What follows {scheme}:// is no name of a {what}.")
    prefix = prefix.removesuffix("/")
    if len(prefix) > MAX_PREFIX:
        raise ValueError(f"The prefix in a store has at most {MAX_PREFIX} characters.")
    for part in prefix.split("/") if prefix else ():
        if part in {".", ".."} or not _PART.fullmatch(part):
            raise ValueError(
                "Each part of a prefix has letters, digits and !_.()=+@,- and is neither . nor .. alone."
            )
    return Store(scheme, bucket, prefix)


def store_of(wanted: Store, stores: Iterable[Store]) -> Store | None:
    """Find the operator's store that holds what is wanted: the one with the longest prefix."""
    holding = [store for store in stores if store.holds(wanted)]
    return max(holding, key=lambda store: len(store.prefix), default=None)


def check_target(to: object, stores: Sequence[str]) -> str | tuple[str, ...]:
    """Read where files are to be kept: `none`, `disk`, a store, an http(s) URL or a list of them.

    `stores` are the operator's. Gives `none`, `disk`, the URL of a store without a slash at its end, or URLs in a
    tuple. Only the form of a URL is checked here; its address is, as it is called. Raises ValueError with what is
    wrong, for people: never with a URL, whose query is a secret.
    """
    if isinstance(to, str):
        if to in {NONE, DISK}:
            return to
        if to.partition("://")[0] in STORES:
            return _in_store(to, stores)
        return (_put_url(to),)
    if not isinstance(to, list | tuple) or not 1 <= len(to) <= MAX_URLS:
        raise ValueError(
            'Files are kept at "disk", at the URL of a store (s3://, gs://, az://), or put to an http(s) URL of yours: '
            f"one, or a list of up to {MAX_URLS}."
        )
    return tuple(_put_url(url) for url in to)


def spoken(url: str) -> str:
    """Say which URL is meant without what is secret of it: no user, query or fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _in_store(to: str, stores: Sequence[str]) -> str:
    wanted = read_store(to)
    if store_of(wanted, map(read_store, stores)) is None:
        known = f"it lends {', '.join(stores)}" if stores else "it has none"
        raise ValueError(f"{wanted.url} is in no store that this service may write to: {known}.")
    return wanted.url


def _put_url(url: object) -> str:
    if not isinstance(url, str) or url.partition("://")[0].lower() not in {"http", "https"}:
        raise ValueError(
            'Files are kept at "disk", at the URL of a store (s3://, gs://, az://), or put to http(s) URLs of yours.'
        )
    try:
        check_url(url, MAX_SIGNED_LENGTH)
    except UrlRefused as refused:
        raise ValueError(f"A URL to put a file to: {refused}") from None
    return url
