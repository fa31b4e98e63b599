"""Receivers of alerts: an HTTP server and a mail server, on loopback."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Receiver:
    """What a receiver has got, and how it answers.

    Attributes:
        port: on 127.0.0.1.
        messages: what was posted to it, or mailed.
        status: of the next answers.
        delay: seconds before it answers.
    """

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    delay: float = 0.0

    def address(self, secret: str = "hook") -> str:
        return f"json://127.0.0.1:{self.port}/{secret}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    @property
    def texts(self) -> str:
        return "\n".join(f"{message['title']}\n{message['message']}" for message in self.messages)


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.status == 200:
                receiver.messages.append({**json.loads(body), "path": self.path})
            time.sleep(receiver.delay)
            self.send_response(receiver.status)
            if 300 <= receiver.status < 400:
                self.send_header("location", "/login")
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:  # a login page
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def mail_receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            receiver.messages.append({"to": envelope.rcpt_tos, "mail": envelope.content.decode()})
            return "250 taken"

    controller = Controller(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    receiver.port = controller.port
    try:
        yield receiver
    finally:
        controller.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
