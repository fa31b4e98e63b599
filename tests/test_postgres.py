"""The PostgreSQL of the tests is one: it asks for the password, and comes back after a stop with what it had."""

import psycopg2
import pytest

from tests.postgres import PostgresServer


def ask(url: str, sql: str) -> list[tuple]:
    con = psycopg2.connect(url)
    try:
        with con, con.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        con.close()


def test_a_wrong_password_is_refused(database: str, postgres_server: PostgresServer) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask(database.replace(postgres_server.user + ":", postgres_server.user + ":not-"), "select 1")


def test_it_can_be_stopped_and_started(database: str, postgres_server: PostgresServer) -> None:
    ask(database, "create table kept (i int)")

    postgres_server.stop()
    with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
        ask(database, "select 1")
    postgres_server.start()

    assert ask(database, "select count(*) from kept") == [(0,)]
