"""httpx without its extra ``cli``, even where the packages of that extra are installed.

Its command line would bring rich and pygments along, a tenth of a second of each start. To be imported before httpx.
"""

import sys

_COMMAND_LINE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_COMMAND_LINE]
