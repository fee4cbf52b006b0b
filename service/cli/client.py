"""The HTTP client that the commands use: any other client could do the same."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any, BinaryIO

import aiohttp

from service import datadir
from service.cli.output import UNREACHABLE, Failed
from service.settings import Settings

CALL_S, CONNECT_S = 90.0, 5.0
BEAT_S = 15.0
MOST_LINE = 64 * 2**20
"""An event is one line; aiohttp reads no longer ones than twice its limit, 64 KiB unless told."""

FILE_TIMES = aiohttp.ClientTimeout(total=None, connect=30.0, sock_read=60.0)
"""Of files: as long as something comes."""
FILE_BUFFER = 2**18


class Api:
    """Calls the API of a service; problems become one clear text."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: BinaryIO | AsyncIterator[bytes] | None = None,
        query: Mapping[str, object] | list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = CALL_S,
    ) -> Any:
        """Call and give the JSON; raises Failed for a problem, or when nobody answers.

        `data` is streamed as it is, in place of a JSON `body`.
        """
        params = query if isinstance(query, list) else _params(query or {})
        try:
            async with self._session.request(
                method,
                self._url + path,
                json=body if body is not None else None,
                data=data,
                params=params,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_S),
            ) as answer:
                if answer.status == HTTPStatus.NO_CONTENT:
                    return None
                if answer.ok:
                    return await answer.json()
                raise await _problem(answer)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            text = f"No service answers at {self._url} ({str(error) or 'timed out'}). Is `callboard serve` running?"
            raise Failed(text, UNREACHABLE) from None

    def download(
        self, path: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Ask for a file; raises what aiohttp raises."""
        return self._session.get(
            self._url + path,
            headers=headers,
            timeout=FILE_TIMES,
            allow_redirects=False,
            read_bufsize=FILE_BUFFER,
        )

    async def stream(
        self, path: str, *, query: list[tuple[str, str]], last_id: str
    ) -> AsyncIterator[tuple[str, str]]:
        """Read Server-Sent Events until the connection ends; gives the id and the data of each.

        Raises Failed for a problem, or when nobody answers.
        """
        headers = {"Last-Event-ID": last_id}
        # The service breaks its silence every 15 s.
        limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=4 * BEAT_S)
        try:
            async with self._session.get(
                self._url + path, params=query, headers=headers, timeout=limits
            ) as answer:
                if not answer.ok:
                    raise await _problem(answer)
                data = ""
                async for raw in answer.content:
                    name, _, value = raw.decode().rstrip("\n").partition(": ")
                    if name == "id":
                        last_id = value
                    elif name == "data":
                        data = value
                    elif not name and data:
                        yield last_id, data
                        data = ""
        except aiohttp.ClientConnectorError as error:
            text = f"No service answers at {self._url} ({error}). Is `callboard serve` running?"
            raise Failed(text, UNREACHABLE) from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            # Cut off in the middle: whoever reads comes again with the last id.
            return


@asynccontextmanager
async def api(settings: Settings) -> AsyncIterator[Api]:
    """Open a client for CALLBOARD_URL with CALLBOARD_API_KEY, or the key in DATA_DIR."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    key = key or datadir.read(settings.data_dir, "api_key")
    if key is None and settings.api_keys:
        key = settings.api_keys[0].get_secret_value()
    if key is None:
        raise Failed(
            f"No API key: set CALLBOARD_API_KEY (there is none in {settings.data_dir} either)."
        )
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers, read_bufsize=MOST_LINE) as session:
        yield Api(session, settings.url or settings.own_url)


def _params(query: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in query.items() if value is not None]


async def _problem(answer: aiohttp.ClientResponse) -> Failed:
    code = UNREACHABLE if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else 2
    return Failed(await problem_text(answer), code)


async def problem_text(answer: aiohttp.ClientResponse) -> str:
    """Say what an answer refuses: of a problem its words, else its status."""
    try:
        problem = await answer.json(content_type=None)
        lines = [f"{answer.status} {problem['title']}: {problem.get('detail') or ''}".rstrip(": ")]
        lines += [f"  {e['pointer'] or '/'}: {e['detail']}" for e in problem.get("errors") or ()]
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        lines = [f"{answer.status} {answer.reason}"]
    return "\n".join(lines)
