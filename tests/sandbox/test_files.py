"""Files: uploaded as multipart form data, processed in a moment, and read row by row by an ingest."""

from typing import Any

import httpx
import pytest

from linkt_pipeline.sandbox import Sandbox
from linkt_pipeline.sandbox.world.reference_data import FAIR, FAIR_FILE, INGEST_TASK
from tests.sandbox.driving import execute, finished, wait_until
from tests.workbooks import styled, workbook

LIST = "company_name,city\nLarkspur Dynamics,Oslo\nUnknown,\nLarkspur dynamics,Oslo\n,Bergen\n"


def upload(http: httpx.Client, text: str | bytes = LIST, name: str = "fair.csv") -> dict[str, Any]:
    content = text.encode() if isinstance(text, str) else text
    reply = http.post("/v1/files/upload", files={"file": (name, content, "text/csv")})
    assert reply.status_code == 200, reply.text
    return reply.json()


def processed(http: httpx.Client, file_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        file = http.get(f"/v1/files/{file_id}").json()
        return file if file["processing_status"] in ("completed", "failed") else None

    return wait_until(ended)


def test_an_upload_is_processed_and_listed(http: httpx.Client) -> None:
    uploaded = upload(http)

    file = processed(http, uploaded["file_id"])

    assert uploaded["csv_metadata"] is None
    assert file["csv_metadata"]["columns"] == ["company_name", "city"]
    assert file["csv_metadata"]["row_count"] == 4
    assert http.get("/v1/files").json()["files"] == [
        {"file_id": file["file_id"], "name": "fair.csv", "size_bytes": len(LIST)},
        {"file_id": FAIR_FILE, "name": "fair.csv", "size_bytes": 1834},
    ]


def test_the_first_sheet_of_a_workbook_is_converted(http: httpx.Client) -> None:
    content = workbook(["company_name", "since", "staff"], ["Larkspur", styled(45322, "date"), 40], [], ["Moor"])

    file = processed(http, upload(http, content, "fair.xlsx")["file_id"])

    assert (file["name"], file["original_file_type"]) == ("fair.csv", "xlsx")
    assert file["csv_metadata"]["preview_rows"] == [
        {"company_name": "Larkspur", "since": "2024-01-31", "staff": "40"},
        {"company_name": "Moor", "since": "", "staff": ""},
    ]
    assert processed(http, upload(http, content[:-40], "cut.xlsx")["file_id"])["processing_status"] == "failed"


@pytest.mark.parametrize("content", [b"company_name\nCaf\xe9\n", b'company_name\n"open\n', b""])
def test_what_is_no_csv_in_utf_8_fails(http: httpx.Client, content: bytes) -> None:
    assert processed(http, upload(http, content)["file_id"])["processing_status"] == "failed"


def test_without_a_file_nothing_is_kept(http: httpx.Client) -> None:
    assert http.post("/v1/files/upload", files={"other": ("a.csv", b"x", "text/csv")}).status_code == 422
    assert http.post("/v1/files/upload", json={"file": "a.csv"}).status_code == 422
    assert http.get("/v1/files").json()["total"] == 1


def test_faults_of_files(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.inject("failed_file")
    assert processed(http, upload(http)["file_id"])["processing_status"] == "failed"

    sandbox.inject("slow_file=60")
    assert http.get(f"/v1/files/{upload(http)['file_id']}").json()["processing_status"] == "pending"

    sandbox.inject("lagging_files=60")
    assert http.get("/v1/files").json()["total"] == 1


def test_an_ingest_reads_the_file_that_its_task_names(http: httpx.Client) -> None:
    file_id = processed(http, upload(http)["file_id"])["file_id"]
    config = {"type": "ingest", "file_id": file_id, "primary_column": "company_name", "csv_entity_type": "company"}
    assert http.put(f"/v1/task/{INGEST_TASK}", json={"task_config": config}).json()["task_config"] == config

    run = finished(http, execute(http, INGEST_TASK, icp_id=FAIR, parameters={"input_entities": []}))
    queue = http.get(f"/v1/run/{run['id']}/queue", params={"include_history": "true"}).json()["entities"]

    first = http.get(f"/v1/entity/{run['output']['resources']['entities_created'][0]}").json()
    assert first["data"]["name"]["value"] == "Larkspur Dynamics"
    assert [(row["name"], row["state"], row.get("reason")) for row in queue] == [
        ("Larkspur Dynamics", "completed", None),
        ("Unknown", "discarded", "No such company could be found"),
        ("Larkspur dynamics", "discarded", "Duplicate of an earlier row"),
        ("", "discarded", "The row has no value in the primary column"),
    ]
