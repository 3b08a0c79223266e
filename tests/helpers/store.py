"""A local S3 server, moto's, that can be slow, busy or gone at a chosen request."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import make_server

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Store:
    """What the server does to requests: ``busy`` next ones get a 503, ``dropped`` next ones no answer at all.

    Of the body of a PUT to a path that ends in ``stalled`` half arrives, and ``half`` is set; when ``gone`` is set, the
    connection is lost.
    """

    def __init__(self) -> None:
        self.busy = self.dropped = 0
        self.stalled = ""
        self.half, self.gone = threading.Event(), threading.Event()
        self.asked: list[str] = []
        self._inner, self._lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._lock:
            self.asked.append(asked)
            busy, dropped = self.busy > 0, self.dropped > 0
            self.busy, self.dropped = max(0, self.busy - 1), max(0, self.dropped - 1)
        if dropped:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        if busy:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # without it the client resends
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(_BUSY)))])
            return [_BUSY]
        if self.stalled and asked.startswith("PUT") and asked.endswith(self.stalled):
            environ["wsgi.input"] = _Stalled(environ["wsgi.input"], int(environ["CONTENT_LENGTH"]) // 2, self)
        return self._inner(environ, start_response)


class _Stalled:
    """A body of which so many bytes arrive, then no more, then the connection is lost."""

    def __init__(self, inner: Any, left: int, store: Store) -> None:
        self._inner, self._left, self._store = inner, left, store

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._inner.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        if data and size >= 0:
            return data
        self._store.half.set()
        self._store.gone.wait()
        raise ClientDisconnected

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def serving() -> Iterator[tuple[Store, str]]:
    """Serve; gives what is done to requests, and the URL of the server."""
    store = Store()
    server = make_server("127.0.0.1", 0, store, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()  # of an earlier one
    try:
        yield store, url
    finally:
        server.shutdown()
        thread.join()
