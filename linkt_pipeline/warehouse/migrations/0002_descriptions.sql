-- What each table and column means, where BI tools and the Dagster UI show it.

comment on table linkt.executions is 'The ledger: one row per attempt to start a Linkt run, from the intention to its end.';
comment on column linkt.executions."execution_id" is 'Id of the attempt, made here.';
comment on column linkt.executions."task_key" is 'Name of the task in tasks.yaml; the partition key.';
comment on column linkt.executions."task_id" is 'Linkt task that was executed.';
comment on column linkt.executions."icp_id" is 'ICP that was sent with the request.';
comment on column linkt.executions."parameters" is 'Parameters that were sent with the request.';
comment on column linkt.executions."attempt" is '1 for a fresh start, more for a retry of a failed run.';
comment on column linkt.executions."state" is 'intended, unknown, started (open); finished, refused, lost (closed).';
comment on column linkt.executions."run_id" is 'Linkt run this attempt stands for; null until it is known.';
comment on column linkt.executions."run_status" is 'Status of the run as last seen.';
comment on column linkt.executions."error_kind" is 'Why the run failed: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.';
comment on column linkt.executions."dagster_run_id" is 'Dagster run that wrote the intention.';
comment on column linkt.executions."intended_at" is 'When the intention was written down, before the request.';
comment on column linkt.executions."started_at" is 'When the run id was written down.';
comment on column linkt.executions."finished_at" is 'When the attempt was closed.';
comment on column linkt.executions."last_error" is 'What went wrong last, in words.';
comment on column linkt.executions."lease_owner" is 'Process that may act for this attempt; null when nobody does.';
comment on column linkt.executions."lease_until" is 'When another process may take over.';

comment on table linkt.runs is 'Every terminal Linkt run, also those started by Linkt schedules or in the dashboard.';
comment on column linkt.runs."run_id" is 'Linkt id of the run.';
comment on column linkt.runs."task_id" is 'Task it executed; null for legacy runs.';
comment on column linkt.runs."icp_id" is 'ICP it worked for.';
comment on column linkt.runs."task_type" is 'search, signal, profile or ingest; null for legacy runs.';
comment on column linkt.runs."flow_run_id" is 'Id in Linkt''s workflow engine.';
comment on column linkt.runs."status" is 'Final status as sent: COMPLETED, FAILED, CANCELED, CRASHED.';
comment on column linkt.runs."input" is 'What the run was given.';
comment on column linkt.runs."output_version" is 'Version of the output''s shape; null for legacy output.';
comment on column linkt.runs."total_credits" is 'Credits spent; fractional; null when the run does not say.';
comment on column linkt.runs."run_time_seconds" is 'Duration the run reports, in seconds.';
comment on column linkt.runs."error" is 'Error text of a run that failed.';
comment on column linkt.runs."error_kind" is 'The text classified: rate_limit, invalid_configuration, sheet_capacity, timeout, provider_error, other.';
comment on column linkt.runs."created_at" is 'When Linkt created the run.';
comment on column linkt.runs."updated_at" is 'When it last changed.';
comment on column linkt.runs."fetched_at" is 'When it was read.';
comment on column linkt.runs."payload" is 'The run as the API sent it.';

comment on table linkt.run_credits is 'Credits of each run by action type, as the run breaks them down.';
comment on column linkt.run_credits."run_id" is 'Run that spent them.';
comment on column linkt.run_credits."action_type" is 'Such as search_company or enrich_person; an open set.';
comment on column linkt.run_credits."credits" is 'Credits; fractional.';

comment on table linkt.run_resources is 'Every id that a run names, and what became of it.';
comment on column linkt.run_resources."run_id" is 'Run that names it.';
comment on column linkt.run_resources."resource_type" is 'entity or signal.';
comment on column linkt.run_resources."action" is 'created or updated.';
comment on column linkt.run_resources."resource_id" is 'The id as the run names it.';
comment on column linkt.run_resources."position" is 'Index in the run''s list, from 0.';
comment on column linkt.run_resources."state" is 'pending, landed, missing (404) or rejected (kept in rejects).';
comment on column linkt.run_resources."landed_at" is 'When it was landed.';
comment on column linkt.run_resources."last_error" is 'Why it is missing or rejected.';
comment on column linkt.run_resources."named_at" is 'When the run that names it was read; only a later request settles it.';

comment on table linkt.entities is 'Companies, people and other entities in their newest version.';
comment on column linkt.entities."entity_id" is 'Linkt id of the entity.';
comment on column linkt.entities."sheet_id" is 'Sheet that holds it.';
comment on column linkt.entities."sheet_name" is 'Name of that sheet.';
comment on column linkt.entities."icp_id" is 'ICP it belongs to.';
comment on column linkt.entities."entity_type" is 'company, person or another type.';
comment on column linkt.entities."parent_id" is 'Entity it belongs to, such as a person''s company; may not be landed.';
comment on column linkt.entities."status" is 'Label set by users: new, reviewed, passed, contacted; never interpreted.';
comment on column linkt.entities."comments" is 'Comment set by users.';
comment on column linkt.entities."data" is 'Attributes by field name, as sent.';
comment on column linkt.entities."duplicate_info" is 'Copies of the same entity in other ICPs, as sent.';
comment on column linkt.entities."created_at" is 'When Linkt created it.';
comment on column linkt.entities."updated_at" is 'When it last changed.';
comment on column linkt.entities."fetched_at" is 'When it was read.';
comment on column linkt.entities."content_hash" is 'Fingerprint of its content without timestamps.';
comment on column linkt.entities."payload" is 'The entity as the API sent it.';

comment on table linkt.entity_versions is 'Every version of an entity that was seen: one row per real change, append-only.';
comment on column linkt.entity_versions."entity_id" is 'Linkt id of the entity.';
comment on column linkt.entity_versions."content_hash" is 'Fingerprint of its content without timestamps.';
comment on column linkt.entity_versions."run_id" is 'Newest run that named it when this version was read.';
comment on column linkt.entity_versions."fetched_at" is 'When it was read.';
comment on column linkt.entity_versions."updated_at" is 'When it last changed, in Linkt.';
comment on column linkt.entity_versions."sheet_id" is 'Sheet that held it.';
comment on column linkt.entity_versions."icp_id" is 'ICP it belonged to.';
comment on column linkt.entity_versions."entity_type" is 'company, person or another type.';
comment on column linkt.entity_versions."parent_id" is 'Entity it belonged to.';
comment on column linkt.entity_versions."status" is 'Label set by users.';
comment on column linkt.entity_versions."comments" is 'Comment set by users.';
comment on column linkt.entity_versions."data" is 'Attributes by field name, as sent.';
comment on column linkt.entity_versions."duplicate_info" is 'Copies of the same entity in other ICPs, as sent.';

comment on table linkt.signals is 'Business events that runs found. Immutable.';
comment on column linkt.signals."signal_id" is 'Linkt id of the signal.';
comment on column linkt.signals."icp_id" is 'ICP that owns it; may differ from the ICP of its entities.';
comment on column linkt.signals."signal_type" is 'Such as funding or hiring_surge; null or new values occur.';
comment on column linkt.signals."signal_display_name" is 'Name of the type for people, where sent.';
comment on column linkt.signals."strength" is 'As sent, in several vocabularies; normalised in marts.signal_feed.';
comment on column linkt.signals."score" is '0 to 1; null occurs.';
comment on column linkt.signals."summary" is 'What happened, in a sentence.';
comment on column linkt.signals."references" is 'URLs of the sources.';
comment on column linkt.signals."entity_ids" is 'Entities it speaks of; empty for topic monitoring.';
comment on column linkt.signals."created_at" is 'When it was detected, not when it happened.';
comment on column linkt.signals."fetched_at" is 'When it was read.';
comment on column linkt.signals."payload" is 'The signal as the API sent it.';
comment on column linkt.signals."content_hash" is 'Fingerprint of its content.';

comment on table linkt.rejects is 'What arrived but can''t be used, kept until a later success clears it.';
comment on column linkt.rejects."resource_type" is 'entity or signal.';
comment on column linkt.rejects."resource_id" is 'The id that was asked for.';
comment on column linkt.rejects."run_id" is 'Newest run that names it.';
comment on column linkt.rejects."reason" is 'What is wrong with it.';
comment on column linkt.rejects."payload" is 'The body as it arrived.';
comment on column linkt.rejects."received_at" is 'When it was asked for.';

comment on table linkt.tasks is 'Linkt tasks of the organization.';
comment on column linkt.tasks."task_id" is 'Linkt id of the task.';
comment on column linkt.tasks."name" is 'Its name.';
comment on column linkt.tasks."description" is 'Its description.';
comment on column linkt.tasks."flow_name" is 'Workflow it runs, such as search or signal-sheet.';
comment on column linkt.tasks."deployment_name" is 'Deployment of that workflow.';
comment on column linkt.tasks."icp_id" is 'ICP it works for by default.';
comment on column linkt.tasks."prompt" is 'Prompt template, for profile tasks.';
comment on column linkt.tasks."task_config" is 'Configuration, as sent.';
comment on column linkt.tasks."created_at" is 'When Linkt created it.';
comment on column linkt.tasks."updated_at" is 'When it last changed.';
comment on column linkt.tasks."fetched_at" is 'When it was read.';
comment on column linkt.tasks."payload" is 'The task as the API sent it.';

comment on table linkt.icps is 'Ideal customer profiles of the organization.';
comment on column linkt.icps."icp_id" is 'Linkt id of the ICP.';
comment on column linkt.icps."name" is 'Its name.';
comment on column linkt.icps."description" is 'Its description, for display.';
comment on column linkt.icps."mode" is 'As sent, where sent.';
comment on column linkt.icps."entity_targets" is 'What kinds of entities it looks for, as sent.';
comment on column linkt.icps."created_at" is 'When Linkt created it.';
comment on column linkt.icps."updated_at" is 'When it last changed.';
comment on column linkt.icps."fetched_at" is 'When it was read.';
comment on column linkt.icps."payload" is 'The ICP as the API sent it.';

comment on table linkt.sheets is 'Sheets that hold entities.';
comment on column linkt.sheets."sheet_id" is 'Linkt id of the sheet.';
comment on column linkt.sheets."name" is 'Its name.';
comment on column linkt.sheets."description" is 'Its description.';
comment on column linkt.sheets."icp_id" is 'ICP it belongs to.';
comment on column linkt.sheets."entity_type" is 'The one type of entity it holds.';
comment on column linkt.sheets."entity_schema" is 'JSON Schema of its fields, as sent.';
comment on column linkt.sheets."created_at" is 'When Linkt created it.';
comment on column linkt.sheets."updated_at" is 'When it last changed.';
comment on column linkt.sheets."fetched_at" is 'When it was read.';
comment on column linkt.sheets."payload" is 'The sheet as the API sent it.';

comment on table linkt.run_queue_counts is 'Candidates of a run by state, as last seen in its queue, which Linkt forgets.';
comment on column linkt.run_queue_counts."run_id" is 'Run whose queue it is.';
comment on column linkt.run_queue_counts."state" is 'queued, processing, completed or discarded.';
comment on column linkt.run_queue_counts."entities" is 'Candidates in this state.';
comment on column linkt.run_queue_counts."observed_at" is 'When the queue was read.';

comment on table linkt.api_usage is 'API requests per endpoint and UTC day.';
comment on column linkt.api_usage."day" is 'UTC day.';
comment on column linkt.api_usage."endpoint" is 'Method and path template.';
comment on column linkt.api_usage."requests" is 'Requests sent.';
comment on column linkt.api_usage."errors" is 'Of them, those without an answer or with a status of 400 and above.';

comment on table linkt.sync_state is 'Small values that must outlive a process, such as the cursor of a listing.';
comment on column linkt.sync_state."name" is 'What it is.';
comment on column linkt.sync_state."value" is 'The value, JSON or text.';
comment on column linkt.sync_state."updated_at" is 'When it was written.';

comment on table linkt.schema_migrations is 'Migrations applied to this warehouse.';
comment on column linkt.schema_migrations."version" is 'Number of the migration.';
comment on column linkt.schema_migrations."name" is 'Its name.';
comment on column linkt.schema_migrations."applied_at" is 'When it was applied.';
