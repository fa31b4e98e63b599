-- What a start was expected to cost, and who let it begin although the budget would not do for it.
alter table linkt.executions add column expected_credits double;
alter table linkt.executions add column budget_rest double;
alter table linkt.executions add column over_budget_by varchar;
