"""The sandbox organisation's fixed reference data: ICPs, sheets, tasks, schedules and files, with stable ids."""

from typing import Any

from linkt_pipeline.sandbox.world.vocabulary import SIGNALS

SAAS, FAIR, MONITOR, TOPIC = (
    "6964b8105a4d0beef1000011",
    "6964b84c5a4d0beef1000012",
    "6964b8885a4d0beef1000013",
    "6964b8c45a4d0beef1000014",
)
SEARCH_TASK, INGEST_TASK, SHEET_SIGNALS_TASK, TOPIC_SIGNALS_TASK, PROFILE_TASK = (
    "6964b9b45a4d0beef1000031",
    "6964b9f05a4d0beef1000032",
    "6964ba2c5a4d0beef1000033",
    "6964ba685a4d0beef1000034",
    "6964baa45a4d0beef1000035",
)
SHEETS = {
    (SAAS, "company"): "6964b9005a4d0beef1000021",
    (SAAS, "person"): "6964b9055a4d0beef1000022",
    (FAIR, "company"): "6964b93c5a4d0beef1000023",
    (FAIR, "person"): "6964b9415a4d0beef1000024",
}
FAIR_FILE = "6964b7985a4d0beef1000041"
FAIR_LIST_ROWS = 8
_CREATED = "2026-01-12T09:00:00Z"

_LOCATION = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "state": {"type": "string"}, "country": {"type": "string"}},
}
_SOCIAL = {"type": "object", "properties": {"platform": {"type": "string"}, "url": {"type": "string"}}}
_TEXT = {"type": "string"}
_DEFAULT_FIELDS: dict[str, dict[str, Any]] = {
    "company": {
        "name": _TEXT, "website": _TEXT, "linkedin": {"$ref": "#/$defs/SocialMediaProfile"},
        "headquarters": {"$ref": "#/$defs/Location"}, "industry": _TEXT, "employees": _TEXT, "revenue": _TEXT,
    },
    "person": {
        "name": _TEXT, "title": _TEXT, "company": _TEXT, "email": _TEXT,
        "linkedin": {"$ref": "#/$defs/SocialMediaProfile"}, "location": {"$ref": "#/$defs/Location"},
        "mobile_phone": _TEXT,
    },
    "job_board": {"name": _TEXT, "website": _TEXT},
    "school_district": {"name": _TEXT, "website": _TEXT},
}  # fmt: skip
CUSTOM_FIELDS: dict[tuple[str, str], dict[str, Any]] = {
    (SAAS, "company"): {
        "primary_product": {**_TEXT, "description": "What most customers buy"},
        "tech_stack": {"type": "array", "items": _TEXT},
        "last_funding": {"type": "object", "description": "Latest round: stage, amount_usd, date"},
        "is_public": {"type": "boolean"},
        "pricing_model": _TEXT,
        "Net Revenue Retention %": {"type": "number"},
    },
    (FAIR, "company"): {"booth": _TEXT, "visitors_met": {"type": "integer"}},
}


def default_schema(entity_type: str) -> dict[str, Any]:
    """The JSON schema Linkt gives a new sheet of this entity type."""
    return {
        "title": entity_type.replace("_", " ").title(),
        "type": "object",
        "properties": _DEFAULT_FIELDS[entity_type],
        "required": ["name"],
        "$defs": {"Location": _LOCATION, "SocialMediaProfile": _SOCIAL},
    }


def default_schemas() -> dict[str, Any]:
    """Default schemas by entity type."""
    return {entity_type: default_schema(entity_type) for entity_type in _DEFAULT_FIELDS}


def _icp(icp_id: str, name: str, company: str, person: str | None, mode: str) -> dict[str, Any]:
    targets = [{"entity_type": "company", "description": company, "root": True, "desired_count": None}]
    if person:
        targets.append({"entity_type": "person", "description": person, "root": False, "desired_count": 1})
    return {
        "id": icp_id,
        "name": name,
        "description": f"{name} (sandbox)",
        "entity_targets": targets,
        "entity_structure": None,
        "schema_version": 1,
        "mode": mode,
        "created_at": _CREATED,
        "updated_at": _CREATED,
    }


def _sheet(icp_id: str, entity_type: str, name: str) -> dict[str, Any]:
    schema = default_schema(entity_type)
    schema["properties"] = schema["properties"] | CUSTOM_FIELDS.get((icp_id, entity_type), {})
    return {
        "id": SHEETS[icp_id, entity_type],
        "name": name,
        "description": "",
        "icp_id": icp_id,
        "entity_type": entity_type,
        "entity_schema": schema,
        "created_at": _CREATED,
        "updated_at": _CREATED,
    }


def _task(task_id: str, name: str, flow: str, icp_id: str | None, config: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": task_id,
        "name": name,
        "description": f"{name} (sandbox)",
        "flow_name": flow,
        "deployment_name": "main",
        "icp_id": icp_id,
        "prompt": None if config else "Summarise {{ company_name }}",
        "task_config": config and {**config, "webhook_url": None},
        "created_at": _CREATED,
        "updated_at": _CREATED,
    }


def _signal_types(*types: str) -> list[dict[str, str]]:
    return [{"type": kind, "display": SIGNALS[kind][0], "description": f"News of the kind {kind}"} for kind in types]


def reference_data() -> dict[str, list[dict[str, Any]]]:
    """All reference objects by kind: icp, sheet, task, schedule, file. The caller owns them."""
    return {
        "icp": [
            _icp(SAAS, "Enterprise SaaS vendors", "## Criteria\n- 50-5,000 staff\n- sells software by subscription",
                 "## Criteria\n- director or above", "discovery"),
            _icp(FAIR, "Trade fair exhibitors", "Exhibitors from the fair's list", "Whoever answers for the booth",
                 "discovery"),
            _icp(MONITOR, "SaaS vendor news", "Companies of the SaaS sheet", None, "monitoring"),
            _icp(TOPIC, "Grid storage topics", "Utilities and storage makers", None, "monitoring"),
        ],
        "sheet": [
            _sheet(SAAS, "company", "Enterprise SaaS vendors - companies"),
            _sheet(SAAS, "person", "Enterprise SaaS vendors - contacts"),
            _sheet(FAIR, "company", "Trade fair exhibitors - companies"),
            _sheet(FAIR, "person", "Trade fair exhibitors - contacts"),
        ],
        "task": [
            _task(SEARCH_TASK, "Enterprise SaaS search", "search", SAAS,
                  {"type": "search", "desired_contact_count": 1, "user_feedback": "", "company_input": None}),
            _task(INGEST_TASK, "Trade fair ingest", "ingest", FAIR,
                  {"type": "ingest", "file_id": FAIR_FILE, "primary_column": "company_name",
                   "csv_entity_type": "company"}),
            _task(SHEET_SIGNALS_TASK, "SaaS signals", "signal", MONITOR,
                  {"type": "signal-sheet", "source_icp_id": SAAS, "entity_type": "company", "entity_filters": None,
                   "signal_types": _signal_types(*SIGNALS),
                   "monitoring_frequency": "weekly"}),
            _task(TOPIC_SIGNALS_TASK, "Grid storage topic", "signal-topic", TOPIC,
                  {"type": "signal-topic", "topic_criteria": "Grid-scale storage in Europe", "entity_type": "company",
                   "signal_types": _signal_types("regulatory", "rfp", "funding", "other"),
                   "monitoring_frequency": "weekly", "geographic_filters": ["Europe"],
                   "industry_filters": None, "company_size_filters": None}),
            _task(PROFILE_TASK, "Account brief", "profile", None, None),
        ],
        "schedule": [
            {"id": "6964bb1c5a4d0beef1000051", "name": "Weekly SaaS signals", "task_id": SHEET_SIGNALS_TASK,
             "icp_id": MONITOR, "cron_expression": "0 7 * * 1", "status": "paused", "description": None,
             "parameters": {}, "created_at": _CREATED, "updated_at": _CREATED},
        ],
        "file": [
            {"file_id": FAIR_FILE, "name": "fair.csv", "s3_uri": "s3://bucket.example/org/fair.csv",
             "content_type": "text/csv", "size_bytes": 1834, "processing_status": "completed",
             "csv_metadata": {"row_count": FAIR_LIST_ROWS, "columns": ["company_name", "website"], "preview_rows": [],
                              "encoding": "utf-8"},
             "original_file_type": "xlsx"},
        ],
    }  # fmt: skip
