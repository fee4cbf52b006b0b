"""What is written down of kept videos."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.fault import Fault, FaultKind
from service.core.media import (
    ENDINGS,
    Archive,
    ArchiveState,
    Media,
    Wanted,
    days_kept,
    folder,
    name,
    read_archive,
    read_rule,
    read_wanted,
    write_archive,
)

TASK = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")
MAYBE_TEXT = st.none() | st.text()
MEDIA = st.builds(
    Media,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    bytes=st.integers(1, 2**50),
    content_type=st.sampled_from(list(ENDINGS)),
    container=MAYBE_TEXT,
    duration_s=st.none() | st.floats(0, 1e6),
    width=st.none() | st.integers(1, 10_000),
    height=st.none() | st.integers(1, 10_000),
    video_codec=MAYBE_TEXT,
    audio_codec=MAYBE_TEXT,
)
ARCHIVES = st.builds(
    Archive,
    st.sampled_from(ArchiveState),
    st.none() | MEDIA,
    MAYBE_TEXT,
    st.none() | st.builds(Fault, st.text(), st.text(), st.sampled_from(FaultKind)),
)
WISHES = st.builds(
    Wanted,
    st.text() | st.lists(st.text(), min_size=1).map(tuple),
    st.booleans(),
    st.none() | st.integers(1, 3650),
)


@given(ARCHIVES)
def test_what_became_of_a_file_is_read_as_it_was_written(archive: Archive) -> None:
    assert read_archive(write_archive(archive)) == archive


@given(WISHES)
def test_what_is_to_be_done_is_read_as_it_was_written(wanted: Wanted) -> None:
    assert read_wanted(wanted.write()) == wanted


@given(MEDIA, st.integers(0, 20))
def test_a_name_tells_the_content_and_stays_in_its_tasks_folder(media: Media, index: int) -> None:
    made = name("default", TASK, index, media)
    assert made.startswith(folder("default", TASK) + f"/{index}-{media.sha256}.")
    assert ".." not in made


def test_nothing_is_written_where_nothing_is_wanted() -> None:
    assert write_archive(None) is None
    assert read_archive(None) is None


RULES = [read_rule("project=spring:7"), read_rule("project=spring:9"), read_rule("a=b:c:365")]


@pytest.mark.parametrize(
    ("keep_days", "labels", "days"),
    [
        (3, {"project": "spring"}, 3),
        (None, {"project": "spring"}, 7),
        (None, {"a": "b:c"}, 365),
        (None, {"project": "other"}, 30),
        (None, {}, 30),
    ],
)
def test_a_submission_then_the_first_label_then_the_default_says_how_long(
    keep_days: int | None, labels: dict[str, str], days: int
) -> None:
    assert days_kept(Wanted("disk", keep_days=keep_days), labels, RULES, 30) == days


@pytest.mark.parametrize(
    "text", ["", "project", "project=spring", "=x:7", "a=b:", "a=b:-1", "a=b:9999"]
)
def test_a_rule_that_cannot_be_read_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="project=spring:7"):
        read_rule(text)
