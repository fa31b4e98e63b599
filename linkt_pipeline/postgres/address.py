"""Where a ledger in PostgreSQL is: an address whose password is in no text that is shown."""

from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from linkt_pipeline.errors import ConfigError


@dataclass(frozen=True)
class PostgresAddress:
    """A schema in a database of a PostgreSQL.

    Attributes:
        conninfo: ``postgresql://user:password@host:port/database``, or any other text that libpq takes.
        schema: in which the tables are: the live ones and the sandbox's may share a database.
        place: the same for people: host, port and database.
    """

    conninfo: SecretStr = field(repr=False)
    schema: str = "linkt_ledger"
    place: str = field(init=False)

    def __post_init__(self) -> None:
        """Read what can be shown.

        Raises:
            ConfigError: libpq does not take the text, which is not quoted.
        """
        try:
            parts = conninfo_to_dict(self.conninfo.get_secret_value())
        except psycopg.ProgrammingError:
            raise ConfigError(
                "the address of the PostgreSQL is none that it takes; "
                "it looks like postgresql://user:password@host:5432/database"
            ) from None
        host, port = parts.get("host", "localhost"), parts.get("port", "5432")
        object.__setattr__(self, "place", f"{host}:{port}, database {parts.get('dbname', parts.get('user', ''))}")

    def __str__(self) -> str:
        """Host, port and database."""
        return self.place
