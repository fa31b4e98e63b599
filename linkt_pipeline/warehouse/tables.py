"""The tables of schema ``linkt``: the one place where their columns, types and descriptions stand.

A new warehouse is made from here. The descriptions that BI tools and the Dagster UI show, the shapes of the frames that
are landed (schemas.py) and docs/tables.md follow from it. An older warehouse gets the same columns by a migration (see
migration.py); a test holds the two against each other.

No table has keys or indexes. Merging and checks make rows unique, so that an engine without keys can hold them too.
"""

from functools import partial

from linkt_pipeline.warehouse.table import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    JSON,
    MOMENT,
    TEXT,
    TEXTS,
    Column,
    Table,
)

_required = partial(Column, required=True)
_packed = partial(Column, packed=True)

SCHEMA_MIGRATIONS = Table(
    "schema_migrations",
    "Migrations applied to this warehouse.",
    _required("version", INTEGER, "Number of the migration."),
    _required("name", TEXT, "Its name."),
    _required("applied_at", MOMENT, "When it was applied."),
)

EXECUTIONS = Table(
    "executions",
    "The ledger: one row per attempt to start a Linkt run, from the intention to its end.",
    _required("execution_id", TEXT, "Id of the attempt, made here."),
    _required("task_key", TEXT, "Name of the task in tasks.yaml; the partition key."),
    _required("task_id", TEXT, "Linkt task that was executed."),
    Column("icp_id", TEXT, "ICP that was sent with the request."),
    Column("parameters", JSON, "Parameters that were sent with the request."),
    _required("attempt", INTEGER, "1 for a fresh start, more for a retry of a failed run."),
    _required("state", TEXT, "intended, unknown, started (open); finished, refused, lost (closed)."),
    Column("run_id", TEXT, "Linkt run this attempt stands for; null until it is known."),
    Column("run_status", TEXT, "Status of the run as last seen."),
    Column(
        "error_kind",
        TEXT,
        "Why the run failed: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.",
    ),
    Column("dagster_run_id", TEXT, "Dagster run that wrote the intention."),
    _required("intended_at", MOMENT, "When the intention was written down, before the request."),
    Column("started_at", MOMENT, "When the run id was written down."),
    Column("finished_at", MOMENT, "When the attempt was closed."),
    Column("last_error", TEXT, "What went wrong last, in words."),
    Column("lease_owner", TEXT, "Process that may act for this attempt; null when nobody does."),
    Column("lease_until", MOMENT, "When another process may take over."),
    Column(
        "clock_offset_seconds",
        DOUBLE,
        "How far Linkt's clock was ahead of this machine's when the start was sent; null if unknown.",
    ),
    Column(
        "start_confirmed",
        BOOLEAN,
        "True if Linkt confirmed the start without naming a usable run: it is never sent again unless a "
        "person says that no run came of it.",
    ),
)

UNDELIVERED = Table(
    "undelivered",
    "Finished executions whose rows have not reached whoever asked for them: the next start of their task gets"
    " them and buys nothing.",
    _required("execution_id", TEXT, "The execution."),
    Column("asked_by", TEXT, "Command or Dagster run that asked for it last; null when nobody waited for its run."),
    Column("published_at", MOMENT, "When a snapshot with everything its run named was published first."),
)

RUNS = Table(
    "runs",
    "Every terminal Linkt run, also those started by Linkt schedules or in the dashboard.",
    _required("run_id", TEXT, "Linkt id of the run."),
    Column("task_id", TEXT, "Task it executed; null for legacy runs."),
    Column("icp_id", TEXT, "ICP it worked for."),
    Column("task_type", TEXT, "search, signal, profile or ingest; null for legacy runs."),
    Column("flow_run_id", TEXT, "Id in Linkt's workflow engine."),
    Column("status", TEXT, "State as sent."),
    Column("input", JSON, "What the run was given."),
    Column("output_version", TEXT, "Version of the output's shape; null for legacy output."),
    Column("total_credits", DOUBLE, "Credits spent; fractional; null when the run does not say."),
    Column("run_time_seconds", DOUBLE, "Duration the run reports, in seconds."),
    Column("error", TEXT, "Error text of a run that failed."),
    Column(
        "error_kind",
        TEXT,
        "The text classified: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.",
    ),
    Column("created_at", MOMENT, "When Linkt created the run."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("payload", JSON, "The run as the API sent it."),
    Column(
        "status_normalised",
        TEXT,
        "The one of the eight documented states that the word sent means; null for a word that is none of them.",
    ),
)

RUN_CREDITS = Table(
    "run_credits",
    "Credits of each run by action type, as the run breaks them down.",
    _required("run_id", TEXT, "Run that spent them."),
    _required("action_type", TEXT, "Such as search_company or enrich_person; an open set."),
    Column("credits", DOUBLE, "Credits; fractional."),
)

RUN_RESOURCES = Table(
    "run_resources",
    "Every id that a run names, and what became of it.",
    _required("run_id", TEXT, "Run that names it."),
    _required("resource_type", TEXT, "entity or signal."),
    _required("action", TEXT, "created or updated."),
    _required("resource_id", TEXT, "The id as the run names it."),
    Column("position", INTEGER, "Index in the run's list, from 0."),
    _required("state", TEXT, "pending, landed, missing (404) or rejected (kept in rejects)."),
    Column("landed_at", MOMENT, "When it was landed."),
    Column("last_error", TEXT, "Why it is missing or rejected."),
    Column("named_at", MOMENT, "When the run that names it was read; only a later request settles it."),
)

RUN_QUEUE_COUNTS = Table(
    "run_queue_counts",
    "Candidates of a run by state, as last seen in its queue, which Linkt forgets.",
    _required("run_id", TEXT, "Run whose queue it is."),
    _required("state", TEXT, "queued, processing, completed or discarded."),
    Column("entities", BIGINT, "Candidates in this state."),
    _required("observed_at", MOMENT, "When the queue was read."),
)

ENTITIES = Table(
    "entities",
    "Companies, people and other entities in their newest version, also those that Linkt has deleted since.",
    _required("entity_id", TEXT, "Linkt id of the entity."),
    Column("sheet_id", TEXT, "Sheet that holds it."),
    Column("sheet_name", TEXT, "Name of that sheet."),
    Column("icp_id", TEXT, "ICP it belongs to."),
    Column("entity_type", TEXT, "company, person or another type."),
    Column("parent_id", TEXT, "Entity it belongs to, such as a person's company; may not be landed."),
    Column("status", TEXT, "Label set by users: new, reviewed, passed, contacted; never interpreted."),
    Column("comments", TEXT, "Comment set by users."),
    _packed("data", JSON, "Attributes by field name, as sent."),
    Column("duplicate_info", JSON, "Copies of the same entity in other ICPs, as sent."),
    Column("created_at", MOMENT, "When Linkt created it."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    _required("content_hash", TEXT, "Fingerprint of its content without timestamps."),
    _packed("payload", JSON, "The entity as the API sent it."),
    Column("external_id", TEXT, "Its id in another system, such as a Salesforce account id, as sent."),
    Column("external_source", TEXT, "System that owns this id, such as salesforce, as sent."),
    Column(
        "deleted_at",
        MOMENT,
        "When Linkt first answered that it does not know it any more (404); null while it is there. Not in "
        "staging and marts then.",
    ),
)

ENTITY_VERSIONS = Table(
    "entity_versions",
    "Every version of an entity that was seen: one row per real change, append-only.",
    _required("entity_id", TEXT, "Linkt id of the entity."),
    _required("content_hash", TEXT, "Fingerprint of its content without timestamps."),
    Column(
        "run_id",
        TEXT,
        "Newest run that named it when this version was read; null where a refresh read it, which is for no run.",
    ),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("updated_at", MOMENT, "When it last changed, in Linkt."),
    Column("sheet_id", TEXT, "Sheet that held it."),
    Column("icp_id", TEXT, "ICP it belonged to."),
    Column("entity_type", TEXT, "company, person or another type."),
    Column("parent_id", TEXT, "Entity it belonged to."),
    Column("status", TEXT, "Label set by users."),
    Column("comments", TEXT, "Comment set by users."),
    _packed("data", JSON, "Attributes by field name, as sent."),
    Column("duplicate_info", JSON, "Copies of the same entity in other ICPs, as sent."),
    Column("external_id", TEXT, "Its id in another system, as sent."),
    Column("external_source", TEXT, "System that owned this id, as sent."),
    Column(
        "external_unknown",
        BOOLEAN,
        "True for a version landed by a release that did not keep external ids: which it had is not known.",
    ),
)

SIGNALS = Table(
    "signals",
    "Business events that runs found. Immutable.",
    _required("signal_id", TEXT, "Linkt id of the signal."),
    Column("icp_id", TEXT, "ICP that owns it; may differ from the ICP of its entities."),
    Column("signal_type", TEXT, "Such as funding or hiring_surge; null or new values occur."),
    Column("signal_display_name", TEXT, "Name of the type for people, where sent."),
    Column("strength", TEXT, "As sent, in several vocabularies; normalised in marts.signal_feed."),
    Column("score", DOUBLE, "0 to 1; null occurs."),
    Column("summary", TEXT, "What happened, in a sentence."),
    Column("references", TEXTS, "URLs of the sources."),
    Column("entity_ids", TEXTS, "Entities it speaks of; empty for topic monitoring."),
    Column("created_at", MOMENT, "When it was detected, not when it happened."),
    _required("fetched_at", MOMENT, "When it was read."),
    _packed("payload", JSON, "The signal as the API sent it."),
    Column("content_hash", TEXT, "Fingerprint of its content."),
    Column("metadata", JSON, "What else the workflow knows of it, as sent; its contents are documented nowhere."),
)

REJECTS = Table(
    "rejects",
    "What arrived but can't be used, kept until a later success clears it.",
    _required("resource_type", TEXT, "entity, signal, run, task, icp or sheet."),
    _required(
        "resource_id",
        TEXT,
        "The id that was asked for or listed; unreadable-... where a row of a list shows none.",
    ),
    Column("run_id", TEXT, "Newest run that names it; a rejected run itself."),
    _required("reason", TEXT, "What is wrong with it."),
    Column("payload", TEXT, "The body as it arrived; of one that is too large, its first kilobytes."),
    _required("received_at", MOMENT, "When it was asked for."),
)

TASKS = Table(
    "tasks",
    "Linkt tasks of the organization.",
    _required("task_id", TEXT, "Linkt id of the task."),
    Column("name", TEXT, "Its name."),
    Column("description", TEXT, "Its description."),
    Column("flow_name", TEXT, "Workflow it runs, such as search or signal-sheet."),
    Column("deployment_name", TEXT, "Deployment of that workflow."),
    Column("icp_id", TEXT, "ICP it works for by default."),
    Column("prompt", TEXT, "Prompt template, for profile tasks."),
    Column("task_config", JSON, "Configuration, as sent."),
    Column("created_at", MOMENT, "When Linkt created it."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("payload", JSON, "The task as the API sent it."),
)

ICPS = Table(
    "icps",
    "Ideal customer profiles of the organization.",
    _required("icp_id", TEXT, "Linkt id of the ICP."),
    Column("name", TEXT, "Its name."),
    Column("description", TEXT, "Its description, for display."),
    Column("mode", TEXT, "As sent, where sent."),
    Column("entity_targets", JSON, "What kinds of entities it looks for, as sent."),
    Column("created_at", MOMENT, "When Linkt created it."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("payload", JSON, "The ICP as the API sent it."),
)

SHEETS = Table(
    "sheets",
    "Sheets that hold entities.",
    _required("sheet_id", TEXT, "Linkt id of the sheet."),
    Column("name", TEXT, "Its name."),
    Column("description", TEXT, "Its description."),
    Column("icp_id", TEXT, "ICP it belongs to."),
    Column("entity_type", TEXT, "The one type of entity it holds."),
    Column("entity_schema", JSON, "JSON Schema of its fields, as sent."),
    Column("created_at", MOMENT, "When Linkt created it."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("payload", JSON, "The sheet as the API sent it."),
)

TASK_ENTRIES = Table(
    "task_entries",
    "The entries of tasks.yaml, as they were at the last sync.",
    _required("task_key", TEXT, "Name of the entry."),
    _required("task_id", TEXT, "Linkt's id of the task that it executes."),
    _required("timezone", TEXT, "Zone of its schedule, its days and its months."),
    Column(
        "monthly_credit_limit",
        DOUBLE,
        "Credits a month beyond which no run is started; null if there is no limit.",
    ),
)

SETTINGS = Table(
    "settings",
    "Settings of the whole deployment, as they were at the last sync.",
    _required("name", TEXT, "Name of the setting: timezone."),
    Column("value", TEXT, "Its value."),
)

API_USAGE = Table(
    "api_usage",
    "API requests per endpoint and UTC day.",
    _required("day", DATE, "UTC day."),
    _required("endpoint", TEXT, "Method and path template."),
    _required("requests", BIGINT, "Requests sent."),
    _required("errors", BIGINT, "Of them, those without an answer or with a status of 400 and above."),
)

SYNC_STATE = Table(
    "sync_state",
    "Small values that must outlive a process, such as the cursor of a listing.",
    _required("name", TEXT, "What it is."),
    Column("value", TEXT, "The value, JSON or text."),
    _required("updated_at", MOMENT, "When it was written."),
)

MODEL_BUILDS = Table(
    "model_builds",
    "Last build of each SQL model: what it was made of, and what keeps it from being built now.",
    Column("model", TEXT, "Table or view, schema.name; of a file that names none, the file."),
    Column(
        "code_version",
        TEXT,
        "Fingerprint of the SQL it was built with, that of its ancestors included; null before the first build.",
    ),
    Column("built_at", MOMENT, "When it was last built; a build that found nothing to do is not counted."),
    Column(
        "cursor",
        TEXT,
        "Fingerprint of the rows it was built from; null where it is built every time, and in the published "
        "copy of a table whose types were converted.",
    ),
    Column("rows", BIGINT, "Rows after that build."),
    Column("contents", TEXT, "Mark of the rows, another one after each build that wrote some; null for a view."),
    Column("problem", TEXT, "Why it can't be built now; null when all is well. Its rows are those of built_at."),
    Column("problem_since", MOMENT, "When the problem was first seen."),
)

TABLES = (
    SCHEMA_MIGRATIONS,
    EXECUTIONS,
    UNDELIVERED,
    RUNS,
    RUN_CREDITS,
    RUN_RESOURCES,
    RUN_QUEUE_COUNTS,
    ENTITIES,
    ENTITY_VERSIONS,
    SIGNALS,
    REJECTS,
    TASKS,
    ICPS,
    SHEETS,
    TASK_ENTRIES,
    SETTINGS,
    API_USAGE,
    SYNC_STATE,
    MODEL_BUILDS,
)
