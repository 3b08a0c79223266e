"""Where the page is served: on this machine alone, to whoever has its address."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

from das3d_aug.errors import Das3dError, ParameterError
from das3d_aug.playground.bench import Playground

__all__ = ["serve"]

_HERE = "127.0.0.1"


def serve(playground: Playground, *, port: int = 0, ready: Callable[[str], None] = print) -> None:
    """Serve the page of a playground on this machine alone, until Ctrl-C.

    Parameters
    ----------
    playground : Playground
    port : int
        Where, 1 … 65535; 0 is one that is free.
    ready : callable
        Called with the address of the page once it answers.  The address holds a key: who does not know it gets
        nothing.

    Raises
    ------
    Das3dError
        If the packages that serve are not installed.
    ParameterError
        If the port cannot be had.
    KeyboardInterrupt
        After Ctrl-C, when all is closed.
    """
    try:
        import uvicorn

        from das3d_aug.playground.server import app_of
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise Das3dError(
            f"the playground needs {package}: pip install '.[playground]' in the checkout of das3d"
        ) from error
    key = secrets.token_urlsafe(24)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HERE, port))
            listening.listen()  # who comes before the server is there waits
        except (OSError, OverflowError) as error:
            raise ParameterError(f"port must be a free one, got {port} ({error}); 0 finds one") from error
        playground.warm()
        config = uvicorn.Config(
            app_of(playground, key=key),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        ready(f"http://{_HERE}:{listening.getsockname()[1]}/?key={key}")
        uvicorn.Server(config).run(sockets=[listening])
