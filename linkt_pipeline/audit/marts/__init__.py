"""The marts, each recomputed in a file of its own."""

from linkt_pipeline.audit.marts.account_status_history import ACCOUNT_STATUS_HISTORY
from linkt_pipeline.audit.marts.accounts import ACCOUNTS
from linkt_pipeline.audit.marts.call_list import CALL_LIST
from linkt_pipeline.audit.marts.companies import COMPANIES
from linkt_pipeline.audit.marts.company_signals import COMPANY_SIGNALS
from linkt_pipeline.audit.marts.credits_daily import CREDITS_DAILY
from linkt_pipeline.audit.marts.credits_monthly import CREDITS_MONTHLY
from linkt_pipeline.audit.marts.crm_accounts import CRM_ACCOUNTS
from linkt_pipeline.audit.marts.data_freshness import DATA_FRESHNESS
from linkt_pipeline.audit.marts.duplicates import DUPLICATES
from linkt_pipeline.audit.marts.entity_changes import ENTITY_CHANGES
from linkt_pipeline.audit.marts.entity_discovery import ENTITY_DISCOVERY
from linkt_pipeline.audit.marts.field_completeness import FIELD_COMPLETENESS
from linkt_pipeline.audit.marts.icp_performance import ICP_PERFORMANCE
from linkt_pipeline.audit.marts.ingest_rows import INGEST_ROWS
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.people import PEOPLE
from linkt_pipeline.audit.marts.run_history import RUN_HISTORY
from linkt_pipeline.audit.marts.signal_feed import SIGNAL_FEED
from linkt_pipeline.audit.marts.source_domains import SOURCE_DOMAINS
from linkt_pipeline.audit.marts.task_efficiency import TASK_EFFICIENCY
from linkt_pipeline.audit.marts.weekly_changes import WEEKLY_CHANGES

MARTS = (
    COMPANIES,
    PEOPLE,
    COMPANY_SIGNALS,
    SIGNAL_FEED,
    CRM_ACCOUNTS,
    DUPLICATES,
    ENTITY_CHANGES,
    SOURCE_DOMAINS,
    RUN_HISTORY,
    TASK_EFFICIENCY,
    CREDITS_DAILY,
    CREDITS_MONTHLY,
    ACCOUNTS,
    CALL_LIST,
    ACCOUNT_STATUS_HISTORY,
    ICP_PERFORMANCE,
    ENTITY_DISCOVERY,
    INGEST_ROWS,
    FIELD_COMPLETENESS,
    WEEKLY_CHANGES,
    DATA_FRESHNESS,
)

__all__ = ["MARTS", "Mart"]
