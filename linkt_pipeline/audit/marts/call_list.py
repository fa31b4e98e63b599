"""marts.call_list: whom to call, and why.

Where a reading is open, a score has two ends. A rank is judged where these decide it all the same.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from typing import Any

from linkt_pipeline.audit.landed import pieces
from linkt_pipeline.audit.marts.accounts import COMPLETENESS_ENDS, account_ids, account_rows
from linkt_pipeline.audit.marts.mart import Mart
from linkt_pipeline.audit.marts.signal_feed import signal_columns
from linkt_pipeline.audit.moments import DAY
from linkt_pipeline.audit.scoring import Scoring, read_scoring
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.world import World

_SHOWN = ("company_id", "name", "domain", "icp_names", "status", "external_id", "external_source", "is_qualified",
          "contact_id", "contact_name", "contact_title", "contact_email", "contact_phone")  # fmt: skip
_POINTS = ("signal_points", "more_signals_points", "contact_points", "completeness_points", "new_points")
_STRONG_SCORE = 0.8

Ends = tuple[float, float]
Place = tuple[float, float, str]


def _rows(world: World, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    del ids
    if world.as_of is None:
        return
    scoring = read_scoring(world)
    listed = []
    for piece in pieces(account_ids(world)):
        for account in account_rows(world, piece):
            if scoring.is_called(account["status"]) and (entry := _entry(world, scoring, account, world.as_of)):
                listed.append(entry)
    least, most = scoring.value("least_score"), scoring.value("most_companies")
    listed = [(row, ends) for row, ends in listed if ends[1] >= least]
    first = sorted(_place(row, ends[1], latest=True) for row, ends in listed)
    last = sorted(_place(row, ends[0], latest=False) for row, ends in listed if ends[0] >= least)
    for row, ends in listed:
        # Certainly before the row: rows whose last possible place is. Possibly before it: rows whose first one is.
        certainly = bisect_left(last, _place(row, ends[1], latest=True))
        possibly = bisect_left(first, _place(row, ends[0], latest=False)) - (ends[0] != ends[1])
        if certainly >= most:
            continue
        row["rank"] = certainly + 1 if certainly == possibly else UNSURE
        yield row if ends[0] >= least and possibly < most else {**row, "is_row": UNSURE}


def _place(row: dict[str, Any], score: float, *, latest: bool) -> Place:
    """A place in the list; of a score that is open the earliest or the latest one with that score."""
    if row["score"] is UNSURE:
        return (-score, float("-inf"), "") if latest else (-score, float("inf"), "\U0010ffff")
    noticed_at = row["latest_signal_at"]
    return -score, float("inf") if noticed_at is None else -noticed_at, row["company_id"]


def _entry(world: World, scoring: Scoring, account: dict[str, Any], as_of: int) -> tuple[dict[str, Any], Ends] | None:
    signals = _recent(world, scoring, account["company_id"], as_of)
    top = max(signals, key=lambda each: (each["points"], each["detected_at"], each["signal_id"]), default=None)
    first_seen_at = account["first_seen_at"]
    is_new = first_seen_at is not None and first_seen_at > as_of - scoring.value("new_company_days") * DAY
    if top is None and not is_new:
        return None
    more = max(len(signals) - 1, 0)
    contact = _contact_points(scoring, account)
    weight = scoring.value("completeness")
    least, most = sorted(end * weight for end in account[COMPLETENESS_ENDS])
    points: dict[str, Ends] = {
        "signal_points": (top["points"], top["points"]) if top else (0, 0),
        "more_signals_points": (min(more * scoring.value("signal_more"), scoring.value("signal_more_most")),) * 2,
        "contact_points": contact,
        "completeness_points": (least, most),
        "new_points": (scoring.value("new_company") if is_new else 0,) * 2,
    }
    low, high = (round(sum(points[name][end] for name in _POINTS), 6) for end in (0, 1))
    row = {
        **{name: account[name] for name in _SHOWN},
        "score": low if low == high else UNSURE,
        **{name: ends[0] if ends[0] == ends[1] else UNSURE for name, ends in points.items()},
        "reason": _reason(scoring, account, top, more, is_new, as_of),
        **{f"top_signal_{name}": top and top[key] for name, key in _OF_SIGNAL.items()},
        "latest_signal_at": account["latest_signal_at"],
    }
    return row, (low, high)


_OF_SIGNAL = {
    "id": "signal_id",
    "label": "signal_label",
    "strength": "strength",
    "at": "detected_at",
    "summary": "summary",
}


def _recent(world: World, scoring: Scoring, company: str, as_of: int) -> list[dict[str, Any]]:
    since = as_of - scoring.value("signal_days") * DAY
    ids = [signal_id for noticed_at, signal_id in world.signals_of.get(company, []) if (noticed_at or 0) > since]
    found = []
    for signal in world.signals(ids).values():
        columns = signal_columns(world, signal)
        strength = columns["strength_level"]
        if strength is None:
            strength = "high" if (columns["score"] or 0) >= _STRONG_SCORE else "unknown"
        is_fresh = (as_of - columns["detected_at"]) / DAY < scoring.value("signal_fresh_days")
        points = scoring.value(f"signal_{strength}") * (1 if is_fresh else scoring.value("signal_older_share"))
        found.append({**columns, "strength": strength, "points": points})
    return found


def _contact_points(scoring: Scoring, account: dict[str, Any]) -> Ends:
    """The fewest and the most points that its contact may bring."""
    seniority = account["contact_seniority"]
    ends = [
        _ends(account["contact_email"], scoring.value("contact_email")),
        _ends(account["contact_phone"], scoring.value("contact_phone")),
    ]
    senior = (
        UNSURE if seniority is UNSURE else True if (seniority or 0) >= scoring.value("contact_senior_from") else None
    )
    ends.append(_ends(senior if seniority is not None else None, scoring.value("contact_senior")))
    return sum(low for low, _ in ends), sum(high for _, high in ends)


def _ends(value: Any, points: float) -> Ends:
    if value is UNSURE:
        return min(0, points), max(0, points)
    return (0, 0) if value is None else (points, points)


def _reason(
    scoring: Scoring, account: dict[str, Any], top: dict[str, Any] | None, more: int, is_new: bool, as_of: int
) -> Any:
    words: list[Any] = []
    if top:
        label = top["signal_label"]
        if label is UNSURE:
            return UNSURE
        strength = "" if top["strength"] == "unknown" else f" ({top['strength']})"
        words.append(f"{label}{strength} {_ago(as_of - top['detected_at'])}")
    if more:
        words.append(f"{more} more signal{'s' if more > 1 else ''} in {scoring.value('signal_days'):.0f} days")
    name, title, email, phone = (account[f"contact_{part}"] for part in ("name", "title", "email", "phone"))
    if UNSURE in (name, title, email, phone):
        return UNSURE
    if email is not None or phone is not None:
        kind = "e-mail" if email is not None else "number"
        words.append(f"{kind} of {name or 'a contact'}{f' ({title})' if title is not None else ''}")
    if is_new:
        words.append(f"found {_ago(as_of - account['first_seen_at'])}")
    return "; ".join(words)


def _ago(passed: int) -> str:
    days = max(passed // DAY, 0)
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


CALL_LIST = Mart(name="call_list", key=("company_id",), rows=_rows)
