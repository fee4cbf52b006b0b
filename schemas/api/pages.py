"""The one shape of every list."""

from typing import Generic, TypeVar

from pydantic import Field

from ..base import Strict

Item = TypeVar("Item")


class Page(Strict, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    nextCursor: str | None = Field(description="Give it as `cursor` to read on; null at the end.")
