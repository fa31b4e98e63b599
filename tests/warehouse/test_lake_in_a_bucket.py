"""A lake whose files lie in an S3, of which moto's server is the stand-in."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from linkt_pipeline.settings import load_settings
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.errors import CatalogUnreachableError, LakeFilesMissingError, LakeFilesOfOthersError
from linkt_pipeline.warehouse.publish.snapshot import publish_snapshot
from linkt_pipeline.warehouse.warehouse import Warehouse
from tests import lake
from tests.postgres import PostgresServer
from tests.warehouse.deliveries import entity, fetch, land, land_run, land_signal_rows, run, signal

SECRET = "of-the-bucket"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a store without a bucket."""
    if missing := lake.what_is_missing():
        pytest.skip(missing)
    server = pytest.importorskip("moto.server", reason="moto is in the environment of `make lake` only")
    running = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def settings(store: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a deployment; gives the folder for data folders."""
    for name, value in {
        "LINKT_API_KEY": "a key of nobody",
        "LINKT_CATALOG": database,
        "LINKT_LAKE_PATH": "s3://acme-linkt/research",
        "AWS_ENDPOINT_URL": store,
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def host(folder: Path) -> Warehouse:
    return warehouse_of(load_settings({"data_dir": folder}))


def keys(store: str) -> list[str]:
    listing = httpx.get(f"{store}/acme-linkt?list-type=2").text
    return [part.partition("</Key>")[0] for part in listing.split("<Key>")[1:]]


def test_a_lake_in_a_bucket_is_shared_maintained_rewritten_and_published(
    store: str, settings: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpx.put(f"{store}/acme-linkt").raise_for_status()
    other_file = f"{store}/acme-linkt/research/of_others.parquet"
    httpx.put(other_file, content=b"PAR1").raise_for_status()
    with closing(host(settings / "one")) as one, closing(host(settings / "two")) as two:
        land_run(one, run("r1"), created=["e1", "e2"])
        land(one, entity("e1"), entity("e2", "Nordlicht"))
        land(two, entity("e2", "Nordlicht GmbH", updated=5))
        land_signal_rows(two, signal("s1"))

        for _ in range(2):
            assert fetch(one, "select count(*), count(distinct entity_id) from linkt.entities") == [(2, 2)]
            assert fetch(two, "select data ->> '$.name.value' from linkt.entities where entity_id = 'e2'") == [
                ("Nordlicht GmbH",)
            ]
            one.compact()
        two.rewrite()
        published = publish_snapshot(one, settings / "published").path

        with closing(host(settings / "three")) as three:
            assert fetch(three, "select signal_id from linkt.signals") == [("s1",)]
    assert published.stat().st_size > 0
    monkeypatch.setenv("LINKT_CATALOG", postgres_server.new_database())
    of_others = pytest.raises(LakeFilesOfOthersError, match=r"s3://acme-linkt/research/linkt_lake/.*\.parquet")
    with closing(host(settings / "of another database")) as another, of_others:
        another.migrate()
    found = keys(store)
    assert "research/of_others.parquet" in found
    assert [key for key in found if not key.startswith("research/")] == []
    assert {key.split("/")[1] for key in found} == {"linkt_lake", "of_others.parquet"}


@pytest.mark.parametrize(
    ("variable", "value", "error", "said"),
    [
        ("LINKT_LAKE_PATH", "s3://of-nobody/lake", LakeFilesMissingError, "of-nobody.*Correct LINKT_LAKE_PATH"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", CatalogUnreachableError, "does not answer.*AWS_ENDPOINT_URL"),
    ],
)
def test_a_bucket_that_is_not_there_is_told_without_the_secret(
    settings: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, error: type[Exception], said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with closing(host(settings / "one")) as one, pytest.raises(error, match=said) as told:
        land(one, entity("e1"))
    assert SECRET not in str(told.value)
