-- What each column of a model is made of, which the file column_lineage.json kept before.
alter table linkt.model_builds add column lineage json;
