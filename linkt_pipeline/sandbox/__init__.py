"""A local stand-in for the Linkt API, shipped with the product: a dry run for users, a real HTTP peer for tests.

Importing this package is cheap; the server's libraries are loaded when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from linkt_pipeline.sandbox.http.app import create_app
    from linkt_pipeline.sandbox.key import SANDBOX_KEY
    from linkt_pipeline.sandbox.process.background import ensure_sandbox, find_sandbox, stop_sandbox
    from linkt_pipeline.sandbox.process.server import Sandbox, running_sandbox
    from linkt_pipeline.sandbox.process.serving import serve

__all__ = [
    "SANDBOX_KEY",
    "Sandbox",
    "create_app",
    "ensure_sandbox",
    "find_sandbox",
    "running_sandbox",
    "serve",
    "stop_sandbox",
]

_HOMES = {
    "SANDBOX_KEY": "key",
    "create_app": "http.app",
    "ensure_sandbox": "process.background",
    "find_sandbox": "process.background",
    "stop_sandbox": "process.background",
    "Sandbox": "process.server",
    "running_sandbox": "process.server",
    "serve": "process.serving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
