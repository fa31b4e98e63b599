"""What is meant by an address, an id or a domain: which entities, and which words in everything else."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import duckdb
import orjson

from linkt_pipeline.package_files import BUILT_IN_SQL
from linkt_pipeline.warehouse.erasure.errors import ErasureError
from linkt_pipeline.warehouse.ids import WELL_FORMED_ID
from linkt_pipeline.warehouse.tombstones import (
    Mentions,
    domains_above,
    is_person,
    normal_domain,
    normal_email,
    own_emails,
    own_hosts,
)

_EMAIL = re.compile(r"[^@\s\"<>,;]+@(?:[\w-]+\.)+[\w-]*[^\W\d_]")
_UNDER_A_COUNTRY = re.compile(
    r"(?:ac|co|com|edu|gob|gov|govt|gv|ltd|mil|muni|ne|net|nhs|nom|or|org|plc|police|sch|school)\.[a-z]{2}"
)
_DOMAIN = re.compile(r"(?:[\w-]+\.)+[\w-]*[^\W\d_]")


class Kind(StrEnum):
    """What was asked for."""

    EMAIL = "email"
    ENTITY = "entity"
    DOMAIN = "domain"
    RETENTION = "retention"


@dataclass(frozen=True)
class Target:
    """What is to be erased.

    Attributes:
        entities: ids of entities that go with all their versions, and with the signals that speak of them.
        parents: those of these entities whose people are kept out later too.
        emails: addresses that are erased wherever a text mentions them.
        domains: domains that are erased likewise, with their subdomains and all addresses there.
    """

    entities: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @property
    def mentions(self) -> Mentions:
        """The words."""
        return Mentions(self.emails, self.domains)

    @property
    def tombstones(self) -> Mapping[str, Iterable[str]]:
        """What is kept out from now on, by kind."""
        return {
            "entity": {entity.lower() for entity in self.entities},
            "parent": {parent.lower() for parent in self.parents},
            "email": self.emails,
            "domain": self.domains,
        }

    def to_json(self) -> str:
        """For the record of the erasure."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> "Target":
        """As :meth:`to_json` gave it."""
        return cls(**{name: tuple(values) for name, values in orjson.loads(text).items()})


def find_target(con: duckdb.DuckDBPyConnection, kind: Kind, values: Iterable[str]) -> Target:
    """What is to be erased where somebody names these values.

    Args:
        con: the warehouse.
        kind: of the values; ``retention`` means ids of people.
        values: as a person wrote them.

    Raises:
        ErasureError: a value is no address, id or domain, or is a domain that many companies share.
    """
    match kind:
        case Kind.EMAIL:
            return _by_email(con, {_valid_email(value) for value in values})
        case Kind.DOMAIN:
            return _by_domain(con, {_valid_domain(con, value) for value in values})
    return _by_ids(con, {_valid_id(value) for value in values})


def _valid_email(text: str) -> str:
    email = normal_email(text)
    if not _EMAIL.fullmatch(email):
        raise ErasureError(f"{text!r} is not an e-mail address such as ann@acme.com")
    return email


def _valid_id(text: str) -> str:
    if not re.fullmatch(WELL_FORMED_ID, text.strip()):
        raise ErasureError(
            f"{text!r} is not a Linkt id (24 hexadecimal digits); marts.people and marts.companies show it as entity_id"
        )
    return text.strip().lower()


def _valid_domain(con: duckdb.DuckDBPyConnection, text: str) -> str:
    domain = normal_domain(text)
    if not _DOMAIN.fullmatch(domain):
        raise ErasureError(f"{text!r} is not a domain such as acme.com")
    shared = _shared_hosts(con)
    if domain in shared or any(shared.get(above) for above in domains_above(domain)):
        raise ErasureError(
            f"{domain} is a host that many companies share (seeds.shared_hosts). Erase people by --email or --entity"
        )
    if _UNDER_A_COUNTRY.fullmatch(domain):
        raise ErasureError(
            f"{domain} belongs to no company: many domains of a country lie under it. Name one of them, such as "
            f"acme.{domain}"
        )
    return domain


def _shared_hosts(con: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Hosts that many share, and whether their subdomains are shared too."""
    built = con.execute(
        "select column_name from duckdb_columns() where database_name = current_database() "
        "and schema_name = 'seeds' and table_name = 'shared_hosts'"
    ).fetchall()
    if {("host",), ("with_subdomains",)} <= set(built):
        return dict(con.execute("select host, with_subdomains from seeds.shared_hosts").fetchall())
    # Nothing was built yet, or by an older release.
    with (BUILT_IN_SQL / "seeds" / "shared_hosts.csv").open(encoding="utf-8", newline="") as file:
        return {row["host"]: row["with_subdomains"] == "true" for row in csv.DictReader(file)}


@dataclass(frozen=True)
class _Known:
    """A version of an entity: the parts that identify it."""

    entity_id: str
    parent_id: str | None
    is_person: bool
    emails: frozenset[str]
    hosts: frozenset[str]


def _by_email(con: duckdb.DuckDBPyConnection, emails: set[str]) -> Target:
    people = {known for known in _mentioning(con, Mentions(emails)) if known.is_person and known.emails & emails}
    ids = {person.entity_id for person in people}
    return Target(_sorted(ids), emails=_sorted(emails | _of_nobody_else(con, people, ids)))


def _by_ids(con: duckdb.DuckDBPyConnection, ids: set[str]) -> Target:
    people = {known for known in _with_ids(con, ids) if known.is_person}
    return Target(_sorted(ids), emails=_sorted(_of_nobody_else(con, people, ids)))


def _by_domain(con: duckdb.DuckDBPyConnection, domains: set[str]) -> Target:
    def lies_in(host: str) -> bool:
        return any(host == domain or host.endswith(f".{domain}") for domain in domains)

    found = list(_mentioning(con, Mentions((), domains)))
    companies = {known.entity_id for known in found if not known.is_person and any(map(lies_in, known.hosts))}
    there = {
        known for known in found if known.is_person and any(lies_in(email.rpartition("@")[2]) for email in known.emails)
    }
    people = there | {known for known in _with_parents(con, companies) if known.is_person}
    ids = companies | {person.entity_id for person in people}
    # Addresses inside of the domain go with the domain.
    elsewhere = {email for email in _of_nobody_else(con, people, ids) if not lies_in(email.rpartition("@")[2])}
    return Target(_sorted(ids), _sorted(companies), _sorted(elsewhere), _sorted(domains))


def _of_nobody_else(con: duckdb.DuckDBPyConnection, people: Iterable[_Known], ids: set[str]) -> set[str]:
    """Addresses of these people that no other person has: a mailbox that other people share stays."""
    emails = {email for person in people for email in person.emails}
    if not emails:
        return set()
    others = (known for known in _mentioning(con, Mentions(emails)) if known.is_person and known.entity_id not in ids)
    return emails - {email for other in others for email in other.emails}


_COLUMNS = "entity_id, parent_id, entity_type, data::varchar"
_VERSIONS = f"""
(select {_COLUMNS.replace("data::varchar", "data::varchar as data")} from linkt.entities
union all
select {_COLUMNS.replace("data::varchar", "data::varchar as data")} from linkt.entity_versions)
"""  # noqa: S608


def _mentioning(con: duckdb.DuckDBPyConnection, mentions: Mentions) -> Iterator[_Known]:
    """Every version of an entity whose fields mention one of them."""
    rows = con.execute(
        f"select {_COLUMNS} from {_VERSIONS} where regexp_matches(data, $1)",  # noqa: S608
        [mentions.loose_pattern],
    ).fetchall()
    return (known for row in rows if mentions.are_in(row[3]) and (known := _known(*row)))


def _with_ids(con: duckdb.DuckDBPyConnection, ids: set[str]) -> Iterator[_Known]:
    rows = con.execute(
        f"select {_COLUMNS} from {_VERSIONS} where lower(entity_id) in (select unnest($1::varchar[]))",  # noqa: S608
        [sorted(ids)],
    ).fetchall()
    return (_known(*row) for row in rows)


def _with_parents(con: duckdb.DuckDBPyConnection, ids: set[str]) -> Iterator[_Known]:
    rows = con.execute(
        f"select {_COLUMNS} from {_VERSIONS} where lower(parent_id) in (select lower(unnest($1::varchar[])))",  # noqa: S608
        [sorted(ids)],
    ).fetchall()
    return (_known(*row) for row in rows)


def _known(entity_id: str, parent_id: str | None, entity_type: str | None, data: str | None) -> _Known:
    fields: Any = orjson.loads(data or "null")
    return _Known(
        entity_id, parent_id, is_person(entity_type), frozenset(own_emails(fields)), frozenset(own_hosts(fields))
    )


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(values))
