"""Where a lake is: its catalog in a PostgreSQL, and its files. No password is part of any text about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from linkt_pipeline.warehouse.liveness import OF_CLIENT

_DEFAULT_PORT = 5432


@dataclass(frozen=True)
class CatalogAddress:
    """A database of a PostgreSQL.

    Attributes:
        host: name or address.
        port: where it listens.
        database: its name.
        user: None: libpq decides.
        password: None: libpq looks for one in its usual places.
        options: further options of libpq, such as ``sslmode``.
    """

    host: str
    port: int
    database: str
    user: str | None
    password: SecretStr | None
    options: Mapping[str, str] = field(compare=False)

    @classmethod
    def parse(cls, url: SecretStr) -> "CatalogAddress":
        """Take ``postgresql://user:password@host:port/database?sslmode=require`` apart, which the settings checked."""
        parts = urlsplit(url.get_secret_value())
        return cls(
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORT,
            database=unquote(parts.path.removeprefix("/")),
            user=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
            options={**OF_CLIENT, **dict(parse_qsl(parts.query))},
        )

    def __str__(self) -> str:
        """Without user, password and options."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class ObjectStore:
    """What an S3 or its like asks for, as the variables ``AWS_*`` say.

    Attributes:
        key_id: AWS_ACCESS_KEY_ID.
        secret: AWS_SECRET_ACCESS_KEY.
        session_token: AWS_SESSION_TOKEN.
        region: AWS_REGION or AWS_DEFAULT_REGION.
        endpoint: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL: of a store that is not Amazon's.
    """

    key_id: str | None = None
    secret: SecretStr | None = None
    session_token: SecretStr | None = None
    region: str | None = None
    endpoint: str | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "ObjectStore":
        """What an environment says."""
        secret, token = environment.get("AWS_SECRET_ACCESS_KEY"), environment.get("AWS_SESSION_TOKEN")
        return cls(
            key_id=environment.get("AWS_ACCESS_KEY_ID"),
            secret=SecretStr(secret) if secret else None,
            session_token=SecretStr(token) if token else None,
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
            endpoint=environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
        )


@dataclass(frozen=True)
class LakePlace:
    """A lake.

    Attributes:
        catalog: the database of its catalog.
        schema: the schema of that database in which the catalog lies; two lakes in one database have two.
        files: where the Parquet files lie: a folder of this machine, or ``s3://bucket/prefix``.
        store: how to reach the bucket.
    """

    catalog: CatalogAddress
    schema: str
    files: str
    store: ObjectStore = field(default_factory=ObjectStore, compare=False)

    @classmethod
    def of(cls, catalog: SecretStr, schema: str, files: str, environment: Mapping[str, str]) -> "LakePlace":
        """A lake as the settings name it.

        Args:
            catalog: the address of the database.
            schema: of that database.
            files: a folder, or ``s3://bucket/prefix``.
            environment: the variables ``AWS_*``.
        """
        return cls(CatalogAddress.parse(catalog), schema, files, ObjectStore.of(environment))

    @property
    def is_in_bucket(self) -> bool:
        """Whether the files lie in an object store."""
        return self.files.startswith("s3://")

    @property
    def data_path(self) -> str:
        """``files`` as the catalog keeps it."""
        return f"{self.files.rstrip('/')}/"

    def __str__(self) -> str:
        """For people."""
        return f"{self.catalog} (schema {self.schema}), files in {self.files}"
