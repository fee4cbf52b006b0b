"""Options of object stores: which key is one, what is never asked for, what is signed."""

import pytest

from service.media.places.objects import Objects
from service.ports import PlaceError

S3 = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_REGION": "eu-west-1"}
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "videos", "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0"}
SAS = {"AZURE_STORAGE_ACCOUNT_NAME": "videos", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=s3cret"}


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*S3, *AZURE, *SAS, "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "options", "asked_for"),
    [
        ("s3://videos", {}, "AWS_ACCESS_KEY_ID"),
        ("s3://videos", {"AWS_ACCESS_KEY_ID": "AKIA1"}, "AWS_SECRET_ACCESS_KEY"),
        ("s3://videos", {**S3, "AWS_SECRET_ACCESS_KEY": ""}, "AWS_SECRET_ACCESS_KEY"),
        (
            "s3://videos",
            {"AWS_ROLE_ARN": "arn", "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"},
            "AWS_ACCESS_KEY_ID",
        ),
        ("s3://videos", AZURE, "AWS_ACCESS_KEY_ID"),
        ("gs://videos", {}, "GOOGLE_SERVICE_ACCOUNT"),
        (
            "gs://videos",
            {"GOOGLE_SERVICE_ACCOUNT_KEY": "no json: s3cret"},
            "GOOGLE_SERVICE_ACCOUNT",
        ),
        ("az://videos", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://videos", {"AZURE_STORAGE_ACCOUNT_NAME": "videos"}, "AZURE_STORAGE_ACCOUNT_KEY"),
        (
            "az://videos",
            {**AZURE, "AZURE_STORAGE_ACCOUNT_KEY": "s3cret!"},
            "AZURE_STORAGE_ACCOUNT_KEY",
        ),
        ("s3://videos", {**S3, "AWS_CHECKSUM_ALGORITHM": "s3cret"}, "look at them"),
    ],
)
def test_store_without_a_key_says_what_to_set_and_asks_nobody(
    url: str, options: dict[str, str], asked_for: str
) -> None:
    with pytest.raises(PlaceError) as caught:
        Objects(url, options)
    assert caught.value.fault.code == "not_configured"
    assert asked_for in caught.value.fault.message
    assert "s3cret" not in caught.value.fault.message


@pytest.mark.parametrize(
    ("url", "options", "signs"),
    [
        ("s3://videos", S3, True),
        ("s3://videos", {name.lower(): value for name, value in S3.items()}, True),
        ("s3://videos", {**S3, "AWS_SESSION_TOKEN": "t"}, True),
        ("s3://videos", {"AWS_SKIP_SIGNATURE": "true"}, False),
        ("gs://videos", {"GOOGLE_BEARER_TOKEN": "t"}, False),
        ("gs://videos", {"GOOGLE_SKIP_SIGNATURE": "true"}, False),
        ("az://videos", AZURE, True),
        ("az://videos", SAS, False),
    ],
)
async def test_link_is_signed_where_the_key_can_sign(
    url: str, options: dict[str, str], signs: bool
) -> None:
    place = Objects(url, options)
    link = await place.signed(f"{url}/a/b.mp4", 60)
    assert (link is not None) is signs
    assert link is None or "b.mp4?" in link


async def test_link_lasts_a_week_at_most() -> None:
    link = await Objects("s3://videos", S3).signed("s3://videos/a", 10**9)
    assert link is not None
    assert "X-Amz-Expires=604800&" in link


async def test_http_is_spoken_only_where_it_was_allowed() -> None:
    plain = {**S3, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with pytest.raises(PlaceError) as caught:
        await Objects("s3://videos", plain).check()
    assert caught.value.fault.code == "unavailable"


def test_url_of_no_store_is_refused() -> None:
    with pytest.raises(ValueError, match="store is written as"):
        Objects("https://videos.example", S3)
