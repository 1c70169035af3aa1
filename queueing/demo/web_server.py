"""The demo's web server: threads of this process, bound before anything slow begins, so that a taken port is known at
once and the webhooks of the seeding have somewhere to arrive. For one machine; `gunicorn moderation.wsgi` is for more.
"""

from __future__ import annotations

import errno
import logging
import socketserver
import sys
import threading
import warnings
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
FIRST_PORT = 8000
PORTS_TRIED = 100

_log = logging.getLogger(__name__)


class CannotListen(Exception):
    """One sentence for the person at the terminal."""


class QuietHandler(WSGIRequestHandler):
    """Django logs what goes wrong inside; a line for every request would bury the card."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


class WebServer(ThreadedWSGIServer):
    """Listens from its making; answers from `start` on."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        super().__init__((host, port), QuietHandler, ipv6=":" in host)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_port}"

    def server_bind(self) -> None:
        # Not HTTPServer's own: it looks the host's name up, which takes seconds on a laptop without a network.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]
        self.setup_environ()

    def start(self) -> None:
        """Answer requests from now on, in threads of this process."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
            # Not get_wsgi_application: it sets Django up once more, and logging with it.
            self.set_app(WSGIHandler())
        threading.Thread(target=self.serve_forever, args=(0.1,), name="web", daemon=True).start()

    def stop(self) -> None:
        """Answer no more; what is being answered is not waited for."""
        self.shutdown()
        self.socket.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("the connection of %s broke", client_address, exc_info=sys.exc_info())


def bind(host: str, port: int | None) -> WebServer:
    """Listen on `port` (0: any free one); None: 8000 or the next free one. Raises CannotListen."""
    if host not in LOOPBACK_HOSTS:
        raise CannotListen(
            f"The demo is for this machine only and does not listen on {host}: "
            "leave --host out, and see the README for a real installation."
        )
    ports = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
    for candidate in ports:
        try:
            return WebServer(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(f"{host}:{candidate} cannot be listened on: {error.strerror}.") from error
        except OverflowError as error:
            raise CannotListen(f"{candidate} is no port: choose one from 1 to 65535.") from error
    if port is not None:
        raise CannotListen(f"Port {port} is taken: stop what uses it, choose another, or leave --port out.")
    raise CannotListen(f"No port from {FIRST_PORT} to {ports[-1]} is free: choose one with --port.")
