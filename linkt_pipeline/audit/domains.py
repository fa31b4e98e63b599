"""Which company of each domain was seen first."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from linkt_pipeline.audit.fields import company_columns
from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.moments import moment_of
from linkt_pipeline.audit.roots import Ties
from linkt_pipeline.audit.values import UNSURE
from linkt_pipeline.audit.wire import data_of

_HOSTS = re.compile(r"[\w-]+(?:\.[\w-]+)+")


def first_of_domain(companies: Iterable[Body], ties: Ties, shared_hosts: Mapping[str, bool]) -> dict[str, str | None]:
    """For each domain that was read, the company that was seen first; None if that is open.

    Of a company and its copies, only the one that stands for all takes part. Entities that Linkt calls no copy come
    first. The answer is open if another company may have the same domain, but its domain is not plain to read.
    """
    seen: dict[str, list[tuple[bool, float, str]]] = defaultdict(list)
    mentioned: set[str] = set()
    for company in companies:
        if ties.root_of(company.id) != company.id:
            continue
        domain = company_columns(data_of(company.body), shared_hosts)["domain"]
        if domain is UNSURE:
            mentioned |= mentions(data_of(company.body))
        elif domain is not None:
            seen_at = moment_of(company.body.get("created_at"))
            place = (ties.of[company.id].is_copy, math.inf if seen_at is None else seen_at, company.id)
            seen[domain].append(place)
    return {domain: None if domain in mentioned else min(members)[2] for domain, members in seen.items()}


def mentions(value: Any) -> set[str]:
    """Everything in a value that looks like a host, and each of these without its first labels."""
    hosts = set(_HOSTS.findall(str(value).lower()))
    return hosts | {host[place + 1 :] for host in hosts for place, sign in enumerate(host) if sign == "."}
