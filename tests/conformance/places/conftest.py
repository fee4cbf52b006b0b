"""What places are tried with: a disk, S3 by moto, and files."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from service.media.places.clouds import Limits
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.ports import Place
from tests.support.kept import Made, noise
from tests.support.moto import REGION, Moto
from tests.support.putting import putting

QUICK = Limits(connect_s=2, request_s=10, total_s=30, retries=2, retry_s=5, wait_s=0.01)
BUCKET = "videos"
Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Give a function that makes a downloaded file of a task, of some bytes or of so many."""

    def made(content: bytes | int = 100_000) -> Made:
        return Made(tmp_path, noise(content) if isinstance(content, int) else content)

    return made


@pytest.fixture(scope="session")
def moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """Run one moto for all tests."""
    moto = Moto(tmp_path_factory.mktemp("moto"))
    moto.start()
    yield moto
    moto.stop()


@pytest.fixture
async def moto(moto_process: Moto) -> Moto:
    """Give it with its user and a bucket made."""
    new = moto_process.key_id == "unchecked"
    await moto_process.make_user()
    if new:
        await moto_process.bucket(BUCKET)
    return moto_process


@pytest.fixture(scope="session")
def trusting_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """Run one moto that takes signed URLs, and every signature for good."""
    moto = Moto(tmp_path_factory.mktemp("trusting"), trusts=True)
    moto.start()
    yield moto
    moto.stop()


@pytest.fixture
async def trusting(trusting_process: Moto) -> Moto:
    """Give it with a bucket made."""
    async with trusting_process.client("s3") as s3:
        if not (await s3.list_buckets())["Buckets"]:
            await trusting_process.bucket(BUCKET)
    return trusting_process


@pytest.fixture
def options(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the options of the operator, as an environment names them; obstore sees none of this machine's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return {
        "AWS_ACCESS_KEY_ID": moto.key_id,
        "AWS_SECRET_ACCESS_KEY": moto.secret,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": moto.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_PAGER": "",
        "AWS_UNHEARD_OF": "something of another program",
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Name the folder of kept files."""
    return tmp_path / "data" / "media"


@pytest.fixture
def disk(root: Path) -> Disk:
    """Give a disk."""
    return Disk(root)


@pytest.fixture
def objects(options: dict[str, str]) -> Objects:
    """Give a place in the bucket."""
    return Objects(f"s3://{BUCKET}/archive/of-videos", options, limits=QUICK)


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    """Give each place that can read, in turn; neither has anything to close."""
    made: Place = request.getfixturevalue("disk" if request.param == "disk" else "objects")
    return made


@pytest.fixture
async def put() -> AsyncIterator[Put]:
    """Give what puts, and may call loopback."""
    async with putting() as made:
        yield made
