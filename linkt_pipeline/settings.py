"""What the environment and a ``.env`` file say, as typed settings.

Nothing here touches the network or the warehouse. A message names the variable, its value and the next command,
because a configuration mistake is the first thing most users meet.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from linkt_pipeline.errors import ConfigError
from linkt_pipeline.package_files import BUILT_IN_SQL, require_sql
from linkt_pipeline.permissions import PUBLISHED, Readers
from linkt_pipeline.redaction import register_secret

PRODUCTION_URL = "https://api.linkt.ai"
ENV_FILE = ".env"
SANDBOX_TASKS_FILE = Path(__file__).resolve().parent / "sandbox" / "tasks.yaml"

# Dagster writes the folder unquoted into the address of its SQLite files: all after "?" is lost, "%20" becomes a blank.
_PART_OF_AN_ADDRESS = re.compile(r"\?|%[0-9A-Fa-f]{2}")

_BUCKET = re.compile(r"s3://[^/?#\s]+(/[^?#]*)?")
_SECRETS_OF_AWS = frozenset({"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_SHORTEST_CONTACT_KEY = 16
_HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


@dataclass(frozen=True)
class Lake:
    """Where a warehouse is that many hosts share.

    Attributes:
        catalog: address of the PostgreSQL.
        schema: the schema there.
        ledger_schema: that of the ledger, there too.
        files: a folder, or ``s3://bucket/prefix``.
        store: the variables ``AWS_*``, which say how to reach the bucket.
        keep: age up to which the lake can be read as it was.
    """

    catalog: SecretStr
    schema: str
    ledger_schema: str
    files: str
    store: Mapping[str, str] = field(repr=False)
    keep: timedelta


class Settings(BaseSettings):
    """What the environment (and a ``.env`` file) says. Names and defaults: README, "Settings"."""

    model_config = SettingsConfigDict(
        env_prefix="LINKT_", env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    api_key: SecretStr | None = None
    base_url: str = PRODUCTION_URL
    data_dir: Path = Path("data")
    tasks_file: Path = Path("tasks.yaml")
    sql_dir: Path | None = None
    ingest_dir: Path | None = None
    use_sandbox: bool | None = None
    requests_per_minute: int | None = Field(default=None, ge=1)
    daily_request_limit: int | None = Field(default=None, ge=1)
    max_body_mb: float = Field(default=8, gt=0, le=64)
    keep_runs_days: int = Field(default=30, ge=1, le=3650)
    published_for: Readers = Readers.OWNER
    ui_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    dagster_url: str | None = None
    contact_key: SecretStr | None = None
    catalog: SecretStr | None = None
    lake_path: str | None = None
    lake_keep_days: int = Field(default=7, ge=1, le=3650)

    @field_validator("base_url")
    @classmethod
    def _base_url_is_one_to_httpx(cls, given: str) -> str:
        expected = f"{given!r} is not a base URL such as {PRODUCTION_URL} (scheme and host, no path)"
        # By the library that will use it; here, because most commands send no request.
        from linkt_pipeline import lean_httpx  # noqa: F401, I001
        import httpx

        try:
            url = httpx.URL(given.strip())
        except httpx.InvalidURL as error:
            raise ValueError(f"{expected}: {error}") from None
        if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65_535:
            raise ValueError(expected)
        if url.userinfo or url.path.strip("/") or re.search(r"[\s?#%]", str(url)):
            raise ValueError(expected)
        return str(url).rstrip("/")

    @field_validator("contact_key")
    @classmethod
    def _contact_key_can_not_be_guessed(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < _SHORTEST_CONTACT_KEY:
            raise ValueError(
                f"it has fewer than {_SHORTEST_CONTACT_KEY} characters, so hashes of contact data could be guessed; "
                "`openssl rand -hex 32` makes one"
            )
        return key

    @field_validator("catalog")
    @classmethod
    def _catalog_is_a_database(cls, given: SecretStr | None) -> SecretStr | None:
        expected = "it is no address such as postgresql://user:password@host:5432/database; "
        expected += "characters of the password that mean something there are written as %40 for @, %2F for /"
        if given is None:
            return None
        try:
            parts = urlsplit(given.get_secret_value().strip())
            is_one = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is no number
            is_one = False
        if not is_one or "/" in parts.path.strip("/") or not parts.path.strip("/") or parts.fragment:
            raise ValueError(expected)
        return SecretStr(given.get_secret_value().strip())

    @field_validator("lake_path")
    @classmethod
    def _lake_path_is_a_folder_or_a_bucket(cls, given: str | None) -> str | None:
        if given is None or _BUCKET.fullmatch(given):
            return given and given.rstrip("/")
        if "://" in given:
            raise ValueError(f"{given!r} is neither a folder nor s3://bucket/prefix")
        try:
            return str(Path(given).expanduser().absolute())
        except RuntimeError as error:  # ~name of a user who does not exist
            raise ValueError(f"{given!r}: {error}") from None

    @model_validator(mode="after")
    def _catalog_and_files_come_together(self) -> Self:
        if self.catalog is not None and self.lake_path is None:
            raise ValueError(
                "LINKT_CATALOG is set, and LINKT_LAKE_PATH does not say where the files of the lake lie: a folder that "
                "every host has under this name, or s3://bucket/prefix"
            )
        if self.lake_path is not None and self.catalog is None:
            raise ValueError(
                "LINKT_LAKE_PATH is set, and LINKT_CATALOG does not name the PostgreSQL of its catalog "
                "(postgresql://user:password@host:5432/database); unset it to keep the warehouse in LINKT_DATA_DIR"
            )
        return self

    @field_validator("dagster_url")
    @classmethod
    def _dagster_url_is_an_address(cls, given: str | None) -> str | None:
        address = given.strip().rstrip("/") if given else ""
        parts = urlsplit(address)
        if address and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query):
            raise ValueError(f"{given!r} is not the address of a Dagster web server, such as http://127.0.0.1:3000")
        return address or None

    @field_validator("ui_hosts", mode="before")
    @classmethod
    def _ui_hosts_are_names(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        hosts = tuple(host.strip().lower() for host in given.split(",") if host.strip())
        for host in hosts:
            if not _HOST.fullmatch(host) or urlsplit(f"//{host}").hostname is None:
                raise ValueError(
                    f"{host!r} is not a host such as dagster.example.com or dagster.example.com:8443 (several are set "
                    "apart by commas)"
                )
        return hosts

    @field_validator("data_dir", "tasks_file", "sql_dir", "ingest_dir")
    @classmethod
    def _home_is_a_folder(cls, path: Path | None) -> Path | None:
        try:
            return path and path.expanduser()
        except RuntimeError as error:  # ~name of a user who does not exist
            raise ValueError(f"'{path}': {error}") from None

    @field_validator("data_dir")
    @classmethod
    def _data_dir_is_no_address(cls, path: Path) -> Path:
        if found := _PART_OF_AN_ADDRESS.search(str(path.absolute())):
            raise ValueError(
                f"'{path.absolute()}' contains {found[0]!r}, which Dagster's SQLite storage reads as part of an "
                "address. Choose a folder without it"
            )
        return path

    @model_validator(mode="after")
    def _named_tasks_file_exists(self) -> Self:
        """Refuse a mistyped file name without a key: it must not look like a wish for the sandbox."""
        named = "tasks_file" in self.model_fields_set and self.tasks_file != Path("tasks.yaml")
        if named and self.api_key is None and not self.use_sandbox and not self.tasks_file.exists():
            raise ValueError(
                f"LINKT_TASKS_FILE: there is no file '{self.tasks_file.absolute()}', and LINKT_API_KEY is not set. "
                "Correct the path; or set LINKT_API_KEY and write the file with `linkt-pipeline tasks pull`; or unset "
                "LINKT_TASKS_FILE to use the sandbox"
            )
        return self

    @cached_property
    def sandbox(self) -> bool:
        """Whether everything runs against the built-in sandbox: on request, or if there is neither a key nor tasks."""
        if self.use_sandbox is not None:
            return self.use_sandbox
        return self.api_key is None and not names_tasks(self.tasks_file)

    @property
    def root(self) -> Path:
        """Absolute folder this deployment writes to; the sandbox's rows never meet real ones."""
        data_dir = self.data_dir.absolute()
        return data_dir / "sandbox" if self.sandbox else data_dir

    @property
    def max_body(self) -> int:
        """Largest body of an answer that is read, in bytes."""
        return int(self.max_body_mb * 2**20)

    @property
    def contact_key_bytes(self) -> bytes | None:
        """The key of the hashes of contact data; None if contact data are landed as sent."""
        if self.contact_key is None:
            return None
        return blake2b(self.contact_key.get_secret_value().encode(), digest_size=32).digest()

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file the pipeline writes."""
        return self.root / "warehouse.duckdb"

    @property
    def lake(self) -> Lake | None:
        """The warehouse that many hosts share; None where it is the file at :attr:`warehouse_path`.

        The sandbox has a lake of its own beside the real one. Each has a folder of its own, because maintenance removes
        every Parquet file in it of which the lake does not know.
        """
        if self.catalog is None or self.lake_path is None:
            return None
        name = "_sandbox" if self.sandbox else ""
        return Lake(
            catalog=self.catalog,
            schema=f"linkt_lake{name}",
            ledger_schema=f"linkt_ledger{name}",
            files=f"{self.lake_path}/linkt_lake{name}",
            store=_variables("AWS_"),
            keep=timedelta(days=self.lake_keep_days),
        )

    @property
    def published_dir(self) -> Path:
        """Folder of the snapshot and the Parquet files that BI tools read."""
        return self.root / PUBLISHED

    @property
    def snapshot_path(self) -> Path:
        """The read-only copy of the warehouse that BI tools open."""
        return self.published_dir / "warehouse.duckdb"

    @property
    def ingest_folder(self) -> Path:
        """Folder of files to ingest, TASK/NAME.csv: LINKT_INGEST_DIR, or ingest/ in the data folder."""
        return self.ingest_dir.absolute() if self.ingest_dir else self.root / "ingest"

    @property
    def own_sql_dir(self) -> Path:
        """Folder of the deployment's own SQL models: LINKT_SQL_DIR, or sql/ beside tasks.yaml. It may not exist."""
        return self.sql_dir.absolute() if self.sql_dir else self.tasks_file.absolute().parent / "sql"

    @property
    def sql_dirs(self) -> tuple[Path, ...]:
        """The built-in SQL models, and over them the deployment's own where there are any.

        Raises:
            ConfigError: the built-in ones are not there, or none are in LINKT_SQL_DIR.
        """
        own = require_sql(self.own_sql_dir) if self.sql_dir else self.own_sql_dir
        is_one_of_its_own = own.is_dir() and own.resolve() != BUILT_IN_SQL
        return (require_sql(BUILT_IN_SQL), *([own] if is_one_of_its_own else []))

    @property
    def active_tasks_file(self) -> Path:
        """The tasks.yaml in force: the user's, or the sandbox's own."""
        return SANDBOX_TASKS_FILE if self.sandbox else self.tasks_file.absolute()

    def require_api_key(self) -> SecretStr:
        """The key, or the error that says how to set it."""
        if self.api_key is None:
            raise ConfigError(
                "LINKT_API_KEY is not set, so nothing can be asked of the Linkt API. "
                "Create a key in the Linkt dashboard and export it, or write LINKT_API_KEY=... into .env."
            )
        return self.api_key


def names_tasks(file: Path) -> bool:
    """Whether tasks.yaml says anything: a new project has one in which every setting is commented out."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # the code that reads the file reports the mistake
        return True
    said = [line for line in lines if line]
    return not said or not all(line.startswith("#") for line in said)  # an empty file is an accident


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment and ``.env``.

    Args:
        overrides: values that win over the environment, by field name.

    Raises:
        ConfigError: a variable can't be used; names the variable and its value (never the key).
    """
    try:
        settings = Settings(**dict(overrides or {}))
    except ValidationError as error:
        problems = "; ".join(
            _variable(item["loc"]) + item["msg"].removeprefix("Value error, ")
            for item in error.errors(include_url=False, include_context=False)
        )
        raise ConfigError(f"the environment can't be used: {problems}") from None
    for secret in (settings.api_key, settings.contact_key, *_secrets_of_the_lake(settings)):
        if secret is not None:
            register_secret(secret)
    return settings


def _secrets_of_the_lake(settings: Settings) -> Iterator[SecretStr]:
    """The address of the catalog, and what in it and beside it is secret by itself."""
    if settings.catalog is not None:
        yield settings.catalog
        password = urlsplit(settings.catalog.get_secret_value()).password
        yield from map(SecretStr, filter(None, [password, password and unquote(password)]))
        yield from (SecretStr(value) for name, value in _variables("AWS_").items() if name in _SECRETS_OF_AWS)


def _variables(prefix: str) -> dict[str, str]:
    """Variables of the environment, and of ``.env`` where the environment has none of that name."""
    given = {**dotenv_values(ENV_FILE), **os.environ}
    return {name: value for name, value in given.items() if name.startswith(prefix) and value}


def _variable(place: tuple[int | str, ...]) -> str:
    """The name of the variable; a rule over several of them names its own."""
    return f"LINKT_{'_'.join(str(part) for part in place).upper()}: " if place else ""
