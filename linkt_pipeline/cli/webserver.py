"""Dagster's web server behind :class:`~linkt_pipeline.cli.request_guard.RequestGuard`: ``python -m`` this module.

Takes the options of ``dagster-webserver``.
"""

from typing import Any

import dagster_webserver.cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette

from linkt_pipeline.cli.request_guard import RequestGuard
from linkt_pipeline.settings import load_settings


def create_guarded_app(*args: Any, **options: Any) -> Starlette:
    """Dagster's ASGI application, which answers only what the guard lets through."""
    app: Starlette = create_app_from_workspace_process_context(*args, **options)
    app.add_middleware(RequestGuard, hosts=load_settings().ui_hosts)
    return app


def main() -> None:
    """Serve until interrupted."""
    dagster_webserver.cli.create_app_from_workspace_process_context = create_guarded_app  # type: ignore[attr-defined]
    dagster_webserver.cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
