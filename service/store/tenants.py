"""What tenants have of their own."""

from datetime import datetime

from service.store.pool import Conn
from service.store.queries import load

SQL = load("tenants")


async def rotate_signing_secret(
    conn: Conn, tenant: str, sealed: bytes, overlap_s: float
) -> datetime | None:
    """Give a tenant a new signing secret; answers until when the one before signs too."""
    until: datetime | None = await conn.fetchval(
        SQL["rotate_signing_secret"], tenant, sealed, overlap_s
    )
    return until
