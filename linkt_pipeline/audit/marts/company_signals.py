"""marts.company_signals: what happened at whom."""

from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.activity import reached
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.signal_feed import signal_columns
from linkt_pipeline.audit.world import World

_OF_COMPANY = {"name": "name", "domain": "domain", "industry": "industry", "country": "country", "icp_id": "icp_id"}
_OF_SIGNAL = ("signal_type", "signal_label", "strength_level", "score", "summary", "detected_at", "references",
              "metadata")  # fmt: skip


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    signals = world.signals(ids)
    speaks_of = {signal.id: reached(world.ties, signal) for signal in signals.values()}
    companies = world.companies(set().union(*speaks_of.values()))
    for signal in signals.values():
        columns = signal_columns(world, signal)
        for company_id in speaks_of[signal.id] & companies.keys():
            yield {
                "company_id": company_id,
                **{f"company_{name}": companies[company_id][column] for name, column in _OF_COMPANY.items()},
                "company_is_duplicate": world.ties.of[company_id].is_copy,
                "signal_id": signal.id,
                "signal_icp_id": columns["icp_id"],
                **{name: columns[name] for name in _OF_SIGNAL},
            }


COMPANY_SIGNALS = Mart(
    name="company_signals",
    key=("company_id", "signal_id"),
    rows=_rows,
    batch="signal_id",
    ids=lambda world: world.signal_ids,
)
