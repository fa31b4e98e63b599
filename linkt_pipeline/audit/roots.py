"""Who is a copy of whom, and who belongs to which company: over all landed entities."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from linkt_pipeline.audit.landed import Body
from linkt_pipeline.audit.wire import part, text
from linkt_pipeline.plain_text import word

COMPANY, PERSON = "company", "person"


@dataclass(frozen=True, slots=True)
class Tie:
    """What ties an entity to others.

    Attributes:
        kind: its type, in lower case.
        parent_id: the entity that it belongs to.
        is_copy: whether Linkt calls it a copy.
        primary_id: the entity that it is a copy of, if Linkt calls it a copy and names the original.
    """

    kind: str | None
    parent_id: str | None
    is_copy: bool
    primary_id: str | None


def tie_of(entity: dict[str, object]) -> Tie:
    """The ties that a payload states."""
    kind = text(entity, "entity_type")
    info = entity.get("duplicate_info")
    is_copy = part(info, "is_duplicate") is True
    return Tie(
        word(kind),
        text(entity, "parent_id"),
        is_copy,
        (text(info, "primary_entity_id") or None) if is_copy else None,
    )


class Ties:
    """The ties of all landed entities.

    Args:
        bodies: their payloads.
    """

    def __init__(self, bodies: Iterable[Body]) -> None:
        self.of = {body.id: tie_of(body.body) for body in bodies}

    def of_kind(self, kind: str) -> list[str]:
        """Ids of the entities of a type, in order."""
        return [entity_id for entity_id, tie in self.of.items() if tie.kind == kind]

    def next_of(self, entity_id: str) -> str | None:
        """The entity that it is a copy of. A person is no copy of a company, and no entity is a copy of itself."""
        tie = self.of.get(entity_id)
        if tie is None or tie.primary_id is None or tie.primary_id == entity_id:
            return None
        primary = self.of.get(tie.primary_id)
        return tie.primary_id if primary is None or primary.kind == tie.kind else None

    def original_of(self, entity_id: str) -> str:
        """Where the chain of copies ends; in a circle at the smallest id. It may not be landed."""
        passed: dict[str, int] = {}
        here = entity_id
        while (following := self.next_of(here)) is not None:
            # The smallest id, so that every copy in the circle names the same original.
            if here in passed:
                return min(list(passed)[passed[here] :])
            passed[here] = len(passed)
            here = following
        return here

    @cached_property
    def _stand_ins(self) -> dict[str, str]:
        """For an original that is not landed: the smallest id of the copies that point at it."""
        found: dict[str, str] = {}
        for entity_id in self.of:
            original = self.next_of(entity_id)
            if original is not None and original not in self.of:
                found[original] = min(entity_id, found.get(original, entity_id))
        return found

    def root_of(self, entity_id: str) -> str:
        """The entity that stands for this one and all its copies; an id that leads nowhere stands for itself."""
        original = self.original_of(entity_id)
        return self._stand_ins.get(original, original)

    def company_of(self, entity_id: str) -> str | None:
        """The company that an entity counts towards; it may not be landed. None if the entity belongs to no company."""
        tie = self.of.get(entity_id)
        if tie is None:
            stand_in = self._stand_ins.get(entity_id)
            return None if stand_in is None else self.company_of(stand_in)
        if tie.kind == COMPANY:
            return self.root_of(entity_id)
        return self.root_of(tie.parent_id) if tie.parent_id else None
