"""``linkt.tombstones``: keyed hashes of what was erased, so that it is recognised and not kept.

A hash says of a value that somebody has at hand whether it was erased, and nothing else. The salt that keys it is made
with the first tombstone and lies in ``linkt.sync_state``: another deployment has other hashes for the same values.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

import duckdb

from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.warehouse.state import read_state, write_state
from linkt_pipeline.warehouse.tombstones.mentions import Mentions, domains_above, domains_in, emails_in

_SALT = "tombstone_salt"

ENTITY, PARENT, EMAIL, DOMAIN = "entity", "parent", "email", "domain"
"""Kinds of values: an entity; an entity whose people are kept out too; an address; a domain."""


class SaltLostError(LinktPipelineError):
    """The tombstones no longer recognise anybody."""

    def __init__(self) -> None:
        super().__init__(
            f"linkt.sync_state has lost {_SALT!r}, so what was erased could not be kept out and nothing is landed. "
            f"Put the row back: linkt.sync_state of the published copy, or of a backup, has it. Delete all rows of "
            "linkt.tombstones if what was erased may come back"
        )


def keyed_hash(salt: bytes, kind: str, value: str) -> str:
    """32 hexadecimal digits that only who has the salt can compute of a value."""
    return blake2b(value.encode("utf-8", "surrogatepass"), key=salt, person=kind.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Tombstones:
    """All tombstones of a warehouse.

    Attributes:
        salt: what keys the hashes.
        hashes: by kind.
    """

    salt: bytes
    hashes: Mapping[str, frozenset[str]]
    _asked: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    def has(self, kind: str, value: str) -> bool:
        """Whether a value was erased."""
        known = self.hashes.get(kind)
        if known is None:
            return False
        answer = self._asked.get((kind, value))  # the same few hosts are in most rows of a batch
        if answer is None:
            answer = self._asked[kind, value] = keyed_hash(self.salt, kind, value) in known
        return answer

    def has_entity(self, entity_id: str | None) -> bool:
        """Whether an entity was erased, in any spelling of its id."""
        return entity_id is not None and self.has(ENTITY, entity_id.lower())

    def has_parent(self, parent_id: str | None) -> bool:
        """Whether the people of an entity were erased."""
        return parent_id is not None and self.has(PARENT, parent_id.lower())

    def erased_emails(self, emails: Iterable[str]) -> set[str]:
        """The addresses that were erased, by themselves or with their domain."""
        return {email for email in emails if self.has(EMAIL, email) or self.erased_hosts([email.rpartition("@")[2]])}

    def erased_hosts(self, hosts: Iterable[str]) -> set[str]:
        """The hosts that were erased, by themselves or with a domain that they lie in."""
        if DOMAIN not in self.hashes:
            return set()
        return {host for host in hosts if any(self.has(DOMAIN, domain) for domain in domains_above(host))}

    def mentions_in(self, text: str | None) -> Mentions:
        """What a text mentions of what was erased."""
        if not text:
            return Mentions()
        emails = {email for email in emails_in(text) if self.has(EMAIL, email)} if EMAIL in self.hashes else set()
        domains = {domain for domain in domains_in(text) if self.has(DOMAIN, domain)} if DOMAIN in self.hashes else ()
        return Mentions(emails, domains)


def read_tombstones(con: duckdb.DuckDBPyConnection) -> Tombstones | None:
    """All of them; None where nothing was ever erased, which costs next to nothing to find out."""
    rows = con.execute("select kind, list(hash) from linkt.tombstones group by kind").fetchall()
    if not rows:
        return None
    return Tombstones(salt_of(con), {kind: frozenset(hashes) for kind, hashes in rows})


def text_without_erased(tombstones: Tombstones | None, text: str | None) -> str | None:
    """A text without the words that were erased."""
    return text if text is None or tombstones is None else tombstones.mentions_in(text).erased_from(text)


def salt_of(con: duckdb.DuckDBPyConnection) -> bytes:
    """The salt of this warehouse; made now if there is none, in the caller's transaction.

    Raises:
        SaltLostError: tombstones that were made with a salt are there without it.
    """
    stored = read_state(con, _SALT)
    if stored is None:
        if con.execute("select 1 from linkt.tombstones limit 1").fetchone():
            raise SaltLostError
        stored = secrets.token_hex(32)
        write_state(con, _SALT, stored)
    return bytes.fromhex(stored)


def write_tombstones(con: duckdb.DuckDBPyConnection, erasure_id: str, values: Mapping[str, Iterable[str]]) -> None:
    """Add tombstones for values by kind; one that is there stays.

    Args:
        con: a transaction.
        erasure_id: why they are written.
        values: in their normal spelling.
    """
    salt = salt_of(con)
    found = [(kind, keyed_hash(salt, kind, value)) for kind, given in values.items() for value in set(given)]
    con.execute(
        """
        merge into linkt.tombstones as stored
        using (select unnest($1::varchar[]) as kind, unnest($2::varchar[]) as hash) as given
        on stored.kind = given.kind and stored.hash = given.hash
        when not matched then insert (kind, hash, erasure_id, erased_at) values (given.kind, given.hash, $3, $4)
        """,
        [[kind for kind, _ in found], [hash_ for _, hash_ in found], erasure_id, datetime.now(UTC)],
    )
