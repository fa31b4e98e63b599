"""Who was erased, as keyed hashes, and how they are recognised in what Linkt sends."""

from linkt_pipeline.warehouse.tombstones.mentions import ERASED, Mentions, domains_above, normal_domain, normal_email
from linkt_pipeline.warehouse.tombstones.people import is_person, own_emails, own_hosts
from linkt_pipeline.warehouse.tombstones.tombstones import (
    SaltLostError,
    Tombstones,
    keyed_hash,
    read_tombstones,
    salt_of,
    text_without_erased,
    write_tombstones,
)

__all__ = [
    "ERASED",
    "Mentions",
    "SaltLostError",
    "Tombstones",
    "domains_above",
    "is_person",
    "keyed_hash",
    "normal_domain",
    "normal_email",
    "own_emails",
    "own_hosts",
    "read_tombstones",
    "salt_of",
    "text_without_erased",
    "write_tombstones",
]
