"""Sends one message to one channel through Apprise, within a time limit, and without its address in any text.

Apprise is imported here alone, and only when something is to be sent: it takes half a second, and may not be installed.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote

from linkt_pipeline.alerts.errors import NotSentError
from linkt_pipeline.display import shown
from linkt_pipeline.redaction import REDACTED
from linkt_pipeline.tasks import AlertChannel

TIME_LIMIT = timedelta(seconds=8)
_LONGEST_REASON = 300
_SHORTEST_PIECE = 4  # a part of an address that is taken out of texts; a shorter part would be found in every text
_SHORTEST_PAUSE = 1.0  # seconds between two messages, where Apprise would wait for longer: few are sent at once

_LOGGERS = frozenset({"apprise", "oauthlib", "requests", "requests_oauthlib", "urllib3"})

Send = Callable[[str, str], None]
"""Sends a title and a text; raises NotSentError."""


def is_installed() -> bool:
    """Whether Apprise is there."""
    return find_spec("apprise") is not None


def open_channel(channel: AlertChannel, time_limit: timedelta = TIME_LIMIT) -> Send:
    """A way to send messages to a channel.

    Args:
        channel: of tasks.yaml.
        time_limit: how long one message may take.

    Raises:
        NotSentError: Apprise knows no such service, or the address lacks something that its service needs.
    """
    address = channel.to.get_secret_value()
    try:
        service = _instantiate(address)
    except Exception as error:  # whatever a service's code raises; its text may quote the address
        raise NotSentError(f"the service can't be used ({type(error).__name__})") from None
    if service is None:
        scheme = address.partition("://")[0]
        raise NotSentError(
            f"Apprise can't use an address of this form (it begins with {scheme}://); correct `to` in tasks.yaml"
        )

    def send(title: str, text: str) -> None:
        taken, reasons = _within(time_limit, lambda: _notify(service, title, text))
        if not taken:
            raise NotSentError(without_address(reasons, address) or "the service has not taken it")

    return send


def without_address(text: str, address: str) -> str:
    """A text that others wrote, without any part of an address."""
    rest = address.partition("://")[2]
    read = map(unquote, re.split(r"[/:@?&=,;#]+", rest))  # as the service logs them
    pieces = {piece for piece in [*re.split(r"[/:@?&=,;%#]+", rest), *read] if len(piece) >= _SHORTEST_PIECE}
    for piece in sorted(pieces, key=len, reverse=True):
        text = re.sub(re.escape(piece), REDACTED, text, flags=re.IGNORECASE)
    return " ".join(shown(text, _LONGEST_REASON).split())


def _instantiate(address: str) -> Any:
    with _overhearing():
        from apprise import Apprise, AppriseAsset

        _overhear_loggers()
        asset = AppriseAsset()
        # A login page behind a redirect answers 200 to everything. `?redirect=yes` in `to` follows redirects.
        asset.http_redirects = False
        service = Apprise.instantiate(address, asset=asset)
        _overhear_loggers()  # those that the service's own code has made
    if service is not None:
        service.request_rate_per_sec = min(service.request_rate_per_sec, _SHORTEST_PAUSE)
    return service


def _notify(service: Any, title: str, text: str) -> bool:
    """Whether a service took a plain text, in the format that it sends: in a mail of HTML, a name is no markup."""
    from apprise import NotifyFormat, conversion

    convert: Callable[[str, str, str], str] = conversion.convert_between
    wanted = service.resolve_format(NotifyFormat.TEXT)
    if service.title_maxlen <= 0:  # the title is part of the body
        title = convert(NotifyFormat.TEXT, wanted, title)
    return bool(service.notify(title=title, body=convert(NotifyFormat.TEXT, wanted, text), body_format=wanted))


def _within(limit: timedelta, work: Callable[[], bool]) -> tuple[bool, str]:
    """The result of ``work`` and what was logged, in a thread that nobody waits for any longer than ``limit``.

    Raises:
        NotSentError: it took longer, or failed.
    """
    results: list[tuple[bool, str]] = []
    errors: list[str] = []

    def run() -> None:
        with _overhearing() as lines:
            try:
                results.append((work(), " ".join(lines)))
            except Exception as error:  # whatever a service's code raises; its text may quote the address
                errors.append(type(error).__name__)

    thread = threading.Thread(target=run, name="alert", daemon=True)
    thread.start()
    thread.join(limit.total_seconds())
    if errors:
        raise NotSentError(f"the service can't be used ({errors[0]})")
    if not results:
        raise NotSentError(f"no answer within {limit.total_seconds():g} s")
    return results[0]


class _Overhear(logging.Filter):
    """Keeps what a sending thread logs from every log, because it may quote the address, and remembers warnings.

    Apprise gives no other reason for a failure.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        lines: list[str] | None = getattr(_heard, "lines", None)
        if lines is None:
            return True
        if record.levelno >= logging.WARNING:
            lines.append(record.getMessage())
        return False


_heard = threading.local()
_overhear = _Overhear()


@contextmanager
def _overhearing() -> Iterator[list[str]]:
    lines: list[str] = []
    _heard.lines = lines
    try:
        yield lines
    finally:
        del _heard.lines


def _overhear_loggers() -> None:
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LOGGERS:
            logging.getLogger(name).addFilter(_overhear)
