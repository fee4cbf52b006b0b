"""The upstreams that generate video, each behind `ports.Provider`; the table below names them all.

What lives here: translation between an upstream's wire and `core.inputs`, and the calls to it. What does
not: decisions (core), retries and waits (flows), what is stored (store). Providers do not know each
other; what both need is in `http`, `foreign` (what of foreign bytes is let in) and `pointers`.

To add a provider:

1. Its request and answers in `schemas/upstream/`, recorded samples of every form in `tests/samples/`.
2. A package here: `mapping` (request to bytes), `answers` (what it answers), `webhook` (what it
   calls back with), `faults` (its error codes), all pure; `client` does the I/O and nothing else.
3. One line in the table; its key, URL and limits in the settings; its routes in the simulator.
4. Its answers to every case of `tests/conformance/test_provider_http.py`.
"""

from collections.abc import Mapping
from typing import Protocol

import aiohttp

from service.ports import Provider
from service.providers.runware.client import Runware
from service.providers.sync_so.client import SyncSo


class Factory(Protocol):
    """How a provider is made for one account of it; without a key it takes no task."""

    def __call__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_key: str | None,
        url: str,
        timeout_s: float,
        account: str = "default",
    ) -> Provider:
        """Make it; nothing is sent."""
        ...


PROVIDERS: Mapping[str, Factory] = {Runware.name: Runware, SyncSo.name: SyncSo}
"""Every provider by its public name. `SyncSo` also takes `webhook_secrets`."""
