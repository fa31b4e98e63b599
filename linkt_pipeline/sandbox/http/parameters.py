"""Query parameters, checked the way FastAPI checks them: a bad one is a 422 that names it."""

from collections.abc import Collection

from starlette.datastructures import QueryParams

from linkt_pipeline.sandbox.errors import invalid
from linkt_pipeline.sandbox.world.ids import parse_timestamp

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100


class Query:
    """The parameters of one request. Unknown ones are ignored; several values are repeated keys."""

    def __init__(self, params: QueryParams) -> None:
        self._params = params

    def text(self, name: str, allowed: Collection[str] | None = None) -> str | None:
        """A text, one of ``allowed`` if given."""
        value = self._params.get(name)
        if value is not None and allowed is not None and value not in allowed:
            raise _not_allowed(name, value, allowed)
        return value or None

    def required(self, name: str) -> str:
        """A text that must be there."""
        value = self._params.get(name)
        if not value:
            raise invalid("missing", ("query", name), "Field required", None)
        return value

    def many(self, name: str, allowed: Collection[str] | None = None) -> frozenset[str]:
        """All values of a repeated key; empty when there is none."""
        values = self._params.getlist(name)
        for value in values:
            if allowed is not None and value not in allowed:
                raise _not_allowed(name, value, allowed)
        return frozenset(values)

    def whole(self, name: str, default: int, *, ge: int | None = None, le: int | None = None) -> int:
        """A whole number within bounds."""
        value = self._params.get(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            raise invalid("int_parsing", ("query", name), "Input should be a valid integer", value) from None
        if ge is not None and number < ge:
            message = f"Input should be greater than or equal to {ge}"
            raise invalid("greater_than_equal", ("query", name), message, value, ge=ge)
        if le is not None and number > le:
            message = f"Input should be less than or equal to {le}"
            raise invalid("less_than_equal", ("query", name), message, value, le=le)
        return number

    def flag(self, name: str) -> bool:
        """A boolean, false when absent."""
        value = self._params.get(name, "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise invalid("bool_parsing", ("query", name), "Input should be a valid boolean", value)
        return value in ("true", "1")

    def moment(self, name: str) -> float | None:
        """Unix seconds of an ISO 8601 timestamp; without a zone it is UTC."""
        value = self._params.get(name)
        if value is None:
            return None
        try:
            return parse_timestamp(value)
        except ValueError:
            raise invalid("datetime_parsing", ("query", name), "Input should be a valid datetime", value) from None

    def external(self) -> tuple[str, str] | None:
        """The record of another system that is asked for: the system, ``salesforce`` unless said, and its id."""
        record = self.text("external_id")
        return (self.text("external_source") or "salesforce", record) if record else None

    def page(self) -> tuple[int, int]:
        """Page number (from 1) and page size."""
        return self.whole("page", 1, ge=1), self.whole("page_size", DEFAULT_PAGE_SIZE, ge=1, le=MAX_PAGE_SIZE)

    def order(self) -> int:
        """-1 for newest first, which is also the default, or 1."""
        value = self.whole("order", -1)
        if value not in (-1, 1):
            raise invalid("literal_error", ("query", "order"), "Input should be -1 or 1", value)
        return value


def _not_allowed(name: str, value: str, allowed: Collection[str]) -> Exception:
    expected = " or ".join(f"'{choice}'" for choice in allowed)
    return invalid("enum", ("query", name), f"Input should be {expected}", value, expected=expected)
