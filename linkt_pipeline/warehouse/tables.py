"""The tables and views of schema ``linkt``: the one definition of their columns, types and descriptions.

A new warehouse is made from here. The descriptions that BI tools and the Dagster UI show, the shapes of the frames that
are landed (schemas.py) and docs/tables.md follow from it. An older warehouse gets the same columns by a migration (see
migration.py); a test compares the two.

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
    View,
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
    "The ledger: one row per intention to start a Linkt run, from the intention to the end of the run.",
    _required("execution_id", TEXT, "Id of the execution, made here."),
    _required("task_key", TEXT, "Name of the task in tasks.yaml; the partition key."),
    _required("task_id", TEXT, "Linkt task that was executed."),
    Column("icp_id", TEXT, "ICP that was sent with the request."),
    Column("parameters", JSON, "Parameters that were sent with the request."),
    _required("attempt", INTEGER, "1 for a fresh start, more for a retry of a failed run."),
    _required("state", TEXT, "intended, unknown, started (open); finished, refused, lost (closed)."),
    Column("run_id", TEXT, "Linkt run of this execution; null until its id is known."),
    Column("run_status", TEXT, "Last status of the run that was seen."),
    Column(
        "error_kind",
        TEXT,
        "Why the run failed: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.",
    ),
    Column("dagster_run_id", TEXT, "Dagster run that wrote the intention."),
    _required("intended_at", MOMENT, "When the intention was written down, before the request."),
    Column("started_at", MOMENT, "When the run id was written down."),
    Column("finished_at", MOMENT, "When the execution was closed."),
    Column("last_error", TEXT, "The last error, in words."),
    Column("lease_owner", TEXT, "Process that may act for this execution; null when no process does."),
    Column("lease_until", MOMENT, "When another process may take over."),
    Column(
        "clock_offset_seconds",
        DOUBLE,
        "How far Linkt's clock was ahead of this machine's when the start was sent; null if unknown.",
    ),
    Column(
        "start_confirmed",
        BOOLEAN,
        "True if Linkt confirmed the start without naming a usable run: the request is never sent again unless a "
        "person says that it made no run.",
    ),
    Column(
        "expected_credits",
        DOUBLE,
        "What it was expected to cost at its start: the median of the task's last 20 completed runs; null if unknown.",
    ),
    Column(
        "budget_rest",
        DOUBLE,
        "Credits that the tightest monthly_credit_limit left before this start; null without a limit.",
    ),
    Column("over_budget_by", TEXT, "Who started it although the rest would not do (--over-budget); else null."),
)

UNDELIVERED = Table(
    "undelivered",
    "Owed outcomes: finished executions whose caller does not have all rows yet. The next start of the task gets"
    " the outcome and buys nothing.",
    _required("execution_id", TEXT, "The execution."),
    Column(
        "asked_by", TEXT, "Command or Dagster run that asked for the outcome last; null when none waited for the run."
    ),
    Column("published_at", MOMENT, "When a snapshot with everything that the run named was first published."),
)

ANSWERS = Table(
    "answers",
    "Which execution answered which question. A Dagster run that is executed again asks the question of the first one"
    " and gets the same answer, if that has completed.",
    _required("question", TEXT, "Dagster run or backfill that asked."),
    _required("task_key", TEXT, "Name of the task in tasks.yaml that it asked for."),
    _required("execution_id", TEXT, "The execution that it bought, adopted, or was owed."),
    _required("given_at", MOMENT, "When."),
)

RUNS = Table(
    "runs",
    "Every terminal Linkt run, also those started by Linkt schedules or in the dashboard.",
    _required("run_id", TEXT, "Linkt id of the run."),
    Column("task_id", TEXT, "Task it executed; null for legacy runs."),
    Column("icp_id", TEXT, "ICP that it worked for."),
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
        "Kind of this error: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.",
    ),
    Column("created_at", MOMENT, "When Linkt created the run."),
    Column("updated_at", MOMENT, "When it last changed."),
    _required("fetched_at", MOMENT, "When it was read."),
    Column("payload", JSON, "The run as the API sent it."),
    Column(
        "status_normalised",
        TEXT,
        "The documented state, one of eight, that the status as sent means; null for an unknown status.",
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
    "Every id that a run names, and its state.",
    _required("run_id", TEXT, "Run that names it."),
    _required("resource_type", TEXT, "entity or signal."),
    _required("action", TEXT, "created or updated."),
    _required("resource_id", TEXT, "The id as the run names it."),
    Column("position", INTEGER, "Index in the run's list, from 0."),
    _required("state", TEXT, "pending, landed, missing (404), rejected (kept in rejects) or erased."),
    Column("landed_at", MOMENT, "When it was landed."),
    Column("last_error", TEXT, "Why it is missing, rejected or erased."),
    Column(
        "named_at", MOMENT, "When the run that names it was read; only the answer to a later request changes the state."
    ),
)

RUN_QUEUE_COUNTS = Table(
    "run_queue_counts",
    "Candidates of a run by state, as last seen in its queue. Linkt deletes the queue later.",
    _required("run_id", TEXT, "Run whose queue it is."),
    _required("state", TEXT, "queued, processing, completed or discarded."),
    Column("entities", BIGINT, "Candidates in this state."),
    _required("observed_at", MOMENT, "When the queue was read."),
)

INGESTS = Table(
    "ingests",
    "Files that were ingested: one row per file and task, written down before each request and after it.",
    _required("ingest_id", TEXT, "Id of the ingest, made here; part of the name under which the file is uploaded."),
    _required("task_key", TEXT, "Name of the task in tasks.yaml."),
    _required("task_id", TEXT, "Linkt task that ingests it."),
    _required("file_name", TEXT, "Name of the file."),
    _required(
        "file_sha256",
        TEXT,
        "SHA-256 of its bytes, of a workbook that of its rows, in hexadecimal: what has the same is bought once.",
    ),
    _required("file_bytes", BIGINT, "Its size as it is uploaded, in bytes."),
    _required("file_rows", BIGINT, "Rows below its header."),
    _required("primary_column", TEXT, "Column by which Linkt tells the rows apart."),
    _required(
        "state",
        TEXT,
        "intended, uploading, uploaded, ready (Linkt has read it), configuring, configured (the task names it), "
        "finished (its run was landed) or failed (Linkt can't use the file).",
    ),
    Column("upload_name", TEXT, "Name under which it is uploaded."),
    Column("file_id", TEXT, "Linkt id of the uploaded file."),
    Column("task_before", JSON, "The Linkt task as it was found: flow, ICP, prompt and task_config."),
    Column("task_config", JSON, "The task_config that was set, or is to be."),
    Column("execution_id", TEXT, "Execution that bought its run; null before it is claimed."),
    _required("intended_at", MOMENT, "When the ingest was written down, before any request."),
    Column("uploaded_at", MOMENT, "When the id of the uploaded file was known."),
    Column("configured_at", MOMENT, "When the task was seen to name the file."),
    Column("finished_at", MOMENT, "When its run was landed, or Linkt turned out to be unable to use the file."),
    Column("last_error", TEXT, "The last error, in words."),
    Column("lease_owner", TEXT, "Process that works on it; null when none does."),
    Column("lease_until", MOMENT, "When another process may take over."),
)

INGEST_ROWS = Table(
    "ingest_rows",
    "The rows of ingested files.",
    _required("ingest_id", TEXT, "Ingest that the row belongs to."),
    _required("row_number", BIGINT, "Its place below the header, from 1."),
    _required("primary_value", TEXT, "Its value in the primary column, without blanks around."),
    _packed("data", JSON, "All of its values by column name."),
)

RUN_CANDIDATES = Table(
    "run_candidates",
    "What the run of an ingested file looked at, as last seen in its queue. Linkt deletes the queue later.",
    _required("run_id", TEXT, "Run whose queue it is."),
    _required("position", BIGINT, "Place in the queue, from 0."),
    Column("name", TEXT, "Name, as sent."),
    Column("state", TEXT, "queued, processing, completed or discarded, as sent."),
    Column("reason", TEXT, "Why it was discarded, where sent."),
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
        "When Linkt first answered that the entity no longer exists (404); null while it exists. Staging and marts "
        "leave a deleted entity out.",
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
        "Newest run that named it when this version was read; null where a refresh read it, because no run asked.",
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
        "True for a version that an early release landed without its external ids: they are unknown.",
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
    Column("entity_ids", TEXTS, "Entities that it is about; empty for topic monitoring."),
    Column("created_at", MOMENT, "When it was detected, not when it happened."),
    _required("fetched_at", MOMENT, "When it was read."),
    _packed("payload", JSON, "The signal as the API sent it."),
    Column("content_hash", TEXT, "Fingerprint of its content."),
    Column("metadata", JSON, "Further facts from the workflow, as sent; Linkt does not document them."),
)

REJECTS = Table(
    "rejects",
    "Rows that arrived but can't be used; a later success deletes the row here.",
    _required("resource_type", TEXT, "entity, signal, run, task, icp or sheet."),
    _required(
        "resource_id",
        TEXT,
        "The id that was asked for or listed; unreadable-... where a row of a list shows none.",
    ),
    Column("run_id", TEXT, "Newest run that names it; a rejected run itself."),
    _required("reason", TEXT, "What is wrong with it."),
    Column("payload", TEXT, "The body as it arrived; the first kilobytes of a body that is too large."),
    _required("received_at", MOMENT, "When the request for it was sent."),
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
    Column("entity_targets", JSON, "Kinds of entities that it looks for, as sent."),
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
        "Once this month's credits reach this limit, no run is started; null if there is no limit.",
    ),
    Column(
        "max_wait_seconds", DOUBLE, "How long its run may take; null if no sync has seen the entry since an upgrade."
    ),
)

SETTINGS = Table(
    "settings",
    "Settings of the whole deployment, as they were at the last sync.",
    _required("name", TEXT, "Name of the setting: timezone, monthly_credit_limit (of all tasks together)."),
    Column("value", TEXT, "Its value."),
)

API_USAGE = Table(
    "api_usage",
    "API requests per endpoint and UTC day.",
    _required("day", DATE, "UTC day."),
    _required("endpoint", TEXT, "Method and path template."),
    _required("requests", BIGINT, "Requests sent."),
    _required("errors", BIGINT, "Requests without an answer, or with a status of 400 or above."),
)

SYNC_STATE = Table(
    "sync_state",
    "Small values that must outlive a process, such as the cursor of a listing.",
    _required("name", TEXT, "Name of the value."),
    Column("value", TEXT, "The value, JSON or text."),
    _required("updated_at", MOMENT, "When it was written."),
)

MODEL_BUILDS = Table(
    "model_builds",
    "Last build of each SQL model: what it was computed from, and why it can't be built now.",
    Column("model", TEXT, "Table or view, schema.name; the file, if the file names neither."),
    Column(
        "code_version",
        TEXT,
        "Fingerprint of its SQL and of all SQL that it depends on; null before the first build.",
    ),
    Column("built_at", MOMENT, "When it was last built; a build that found nothing to do does not count."),
    Column(
        "cursor",
        TEXT,
        "Fingerprint of the rows it was built from; null if every build computes it, and in the published copy of a "
        "table whose types were converted.",
    ),
    Column("rows", BIGINT, "Rows after that build."),
    Column("contents", TEXT, "Mark of the rows: it changes with each build that writes rows; null for a view."),
    Column("problem", TEXT, "Why it can't be built now; null if it can. Its rows are those of built_at."),
    Column("problem_since", MOMENT, "When the problem was first seen."),
    Column("lineage", JSON, "For each column, schema, table and column of each column that it is made of."),
)

ALERTS = Table(
    "alerts",
    "The outbox of alerts: one row for each event that somebody may be told of, written in the transaction of what it"
    " tells. It holds no contact data.",
    _required("event_key", TEXT, "What makes the event one and the same, whatever is retried."),
    _required(
        "event",
        TEXT,
        "Kind: run_failed, credit_limit, rejected, check_failed, stale, unclear_start, fields.",
    ),
    Column("task_key", TEXT, "Task in tasks.yaml that it is about, where it is about one."),
    Column("run_id", TEXT, "Linkt run that it is about, where it is about one."),
    Column("dagster_run_id", TEXT, "Dagster run that shows more of it, where one is known."),
    _required("facts", JSON, "What the text of the alert is made of."),
    _required("happened_at", MOMENT, "When it was written down."),
    Column(
        "over_at",
        MOMENT,
        "When a failed check passed again; null while it fails, and for events that have no end.",
    ),
)

ALERT_CHANNELS = Table(
    "alert_channels",
    "Each channel of tasks.yaml that alerts go to, with its state. Its address is in tasks.yaml alone.",
    _required("channel", TEXT, "Name of the channel."),
    _required("since", MOMENT, "When it was first seen; it is told of what has happened since then."),
    _required("failures", INTEGER, "Failed attempts in a row."),
    Column("next_attempt_at", MOMENT, "No attempt is made before; null if the last one went well."),
    Column("sent_at", MOMENT, "When it last took an alert."),
    Column("last_error", TEXT, "Why the last attempt failed; null if it went well."),
    Column("lease_owner", TEXT, "Process that sends to it now."),
    Column("lease_until", MOMENT, "When another process may send to it."),
)

ALERT_DELIVERIES = Table(
    "alert_deliveries",
    "Attempts to send an alert to a channel: one row for each alert and channel, written after the first attempt.",
    _required("event_key", TEXT, "The alert."),
    _required("channel", TEXT, "Name of the channel."),
    _required("attempts", INTEGER, "Attempts so far."),
    Column("sent_at", MOMENT, "When the channel took it; null while it has not."),
    Column("last_error", TEXT, "Why the last attempt failed."),
)

TOMBSTONES = Table(
    "tombstones",
    "What was erased, as keyed hashes that keep it from being landed again; never the values themselves.",
    _required("kind", TEXT, "entity, parent (its people are kept out too), email or domain."),
    _required("hash", TEXT, "Hash of the value, keyed with the salt of this warehouse."),
    _required("erasure_id", TEXT, "Erasure that it comes from."),
    _required("erased_at", MOMENT, "When it was written."),
)

ERASURES = Table(
    "erasures",
    "Each erasure, written down before anything is removed, and how far it has come.",
    _required("erasure_id", TEXT, "Id of the erasure, made here."),
    _required("kind", TEXT, "What was asked for: email, entity, domain or retention."),
    _required("asked_at", MOMENT, "When it was asked for."),
    _required(
        "phase",
        TEXT,
        "intended, removed (from the landed tables), forgotten (what was asked for is known here no more), finished.",
    ),
    Column(
        "pending",
        JSON,
        "What is to be erased, while places outside of the landed tables still hold it; null later.",
    ),
    Column("removed", JSON, "How many rows of each table were removed or changed."),
    Column("finished_at", MOMENT, "When no file of the data folder held it any more."),
    Column("last_error", TEXT, "Why it could not be finished, without what is to be erased; null once it is finished."),
)

ROW_CHANGES = Table(
    "row_changes",
    "Which rows the last builds and landings have changed, so that the next build computes these alone.",
    _required("source", TEXT, "Table or view whose rows were changed, schema.name."),
    _required("number", BIGINT, "Number of the step; the rows of a step were changed together."),
    _required("before", TEXT, "Mark of the table's rows before the step."),
    _required("after", TEXT, "Mark of its rows after it."),
    _required("names", TEXTS, "Columns that are told."),
    _required("ids", TEXTS, "Their values in a row that was added, taken away or replaced."),
)

SEEN_ROWS = Table(
    "seen_rows",
    "The rows of landed entities and signals as the last build saw them.",
    _required("source", TEXT, "Table, schema.name."),
    _required("id", TEXT, "Id of the row."),
    Column("fetched_at", MOMENT, "When it was landed."),
    Column("deleted_at", MOMENT, "When Linkt was found to have deleted it."),
    Column("digest", TEXT, "The first characters of its content_hash."),
)

TABLES = (
    SCHEMA_MIGRATIONS,
    EXECUTIONS,
    UNDELIVERED,
    ANSWERS,
    RUNS,
    RUN_CREDITS,
    RUN_RESOURCES,
    RUN_QUEUE_COUNTS,
    INGESTS,
    INGEST_ROWS,
    RUN_CANDIDATES,
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
    ALERTS,
    ALERT_CHANNELS,
    ALERT_DELIVERIES,
    TOMBSTONES,
    ERASURES,
    ROW_CHANGES,
    SEEN_ROWS,
)

RUN_COSTS = View(
    "run_costs",
    "What each run cost, when and for which task: one row per landed run, and one per attempt that is still open. The"
    " credit limit, `status` and the marts read it here.",
    Column("run_id", TEXT, "The run; null while it is not known whether an open attempt has one."),
    Column("execution_id", TEXT, "The attempt that started it; null for runs started elsewhere."),
    Column(
        "task_id", TEXT, "Linkt's id of the task, as the run was started here, else as it says; null if neither knows."
    ),
    Column("task_key", TEXT, "Entry of tasks.yaml that started it; null for runs started elsewhere."),
    Column("is_open", BOOLEAN, "True while the run is not landed."),
    Column(
        "credits",
        DOUBLE,
        "The total that the run states, else the sum of its breakdown; never below zero; null if it states neither.",
    ),
    Column(
        "estimated_credits",
        DOUBLE,
        "Where credits is null: the median of the task's last 20 runs that state a cost, else of all runs, else 0."
        " Counts towards monthly_credit_limit.",
    ),
    Column(
        "spent_at",
        MOMENT,
        "When the run was made, as it says; where that is missing, can't be or stands alone: when it was started here,"
        " else the time in its id, else when it was read.",
    ),
    Column(
        "expected_credits",
        DOUBLE,
        "What the next run of this task will probably cost: the median of its last 20 completed runs that state a cost;"
        " null if none does.",
    ),
)

VIEWS = (RUN_COSTS,)
