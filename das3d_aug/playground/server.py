"""What the server answers: the page and its files, and four questions of the page.

A page of another site may not ask: its name is not this machine's, and it has not the key, which stands in the address
of the page and goes with each question.  No question holds the name of a file.
"""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from das3d_aug._arguments import check_whole
from das3d_aug.errors import Das3dError, ParameterError, quoted
from das3d_aug.files import read_json
from das3d_aug.gallery.encode import as_json
from das3d_aug.playground.bench import Playground, field_of
from das3d_aug.synthesis import Recipe

__all__ = ["app_of"]

_LARGEST = 2**16  # bytes of a question
_OF_GALLERY = ("page.css", "data.js", "pictures.js", "relief.js", "views.js")
_OWN = ("playground.css", "controls.js", "histograms.js", "playground.js")
_TYPES = {"css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src data: blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Asked = Mapping[str, Any]


def app_of(playground: Playground, *, key: str) -> Starlette:
    """Return the server's application.

    Parameters
    ----------
    playground : Playground
    key : str
        What the address of the page and each question must hold.
    """

    def knows(given: str | None) -> bool:
        return given is not None and secrets.compare_digest(given.encode(), key.encode())

    def page(request: Request) -> Response:
        if not knows(request.query_params.get("key")):
            return _said("the address of the page ends in ?key=…: take it from the terminal", 403)
        text = (files("das3d_aug.playground") / "browser" / "page.html").read_text("utf-8")
        data = playground.page()
        pieces = text.split("@@")  # text, name, text, name, …: what is put in is not looked at again
        parts = {"title": html.escape(data["title"]), "data": as_json(data)}
        whole = "".join(parts[piece] if position % 2 else piece for position, piece in enumerate(pieces))
        return Response(whole.encode("utf-8", "backslashreplace"), media_type="text/html", headers=_HEADERS)

    def answering(answer: Callable[[Asked], dict[str, Any]]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            if not knows(request.headers.get("x-key")):
                return _said("the key is missing or that of another run: open the address in the terminal", 403)
            try:
                asked = read_json("question", data=await request.body(), limit=_LARGEST)
                return JSONResponse(await run_in_threadpool(answer, asked), headers=_HEADERS)
            except Das3dError as error:
                return _said(str(error), 422, field_of(error))
            except asyncio.CancelledError:  # by Ctrl-C; let through, its traceback would be printed
                return _said("the playground was ended in the terminal", 503)

        return endpoint

    def draw(asked: Asked) -> dict[str, Any]:
        whole = asked.get("whole", True)
        if not isinstance(whole, bool):
            raise ParameterError(f"whole must be true or false, got {quoted(whole)}")
        part = check_whole("part", asked.get("part"), 0, 2**31)
        return playground.draw(_recipe(asked), seed=asked.get("seed", 0), part=part, whole=whole)

    def figures(asked: Asked) -> dict[str, Any]:
        start, most = (check_whole(name, asked.get(name), least, 10**6) for name, least in (("start", 0), ("most", 1)))
        return playground.figures(_recipe(asked), seed=asked.get("seed", 0), start=start, most=most)

    def read(asked: Asked) -> dict[str, Any]:
        text = asked.get("toml")
        if not isinstance(text, str):
            raise ParameterError(f"toml must be text, got {quoted(text)}")
        return playground.read(text.encode("utf-8", "backslashreplace"))

    def save(asked: Asked) -> dict[str, Any]:
        return playground.save(_recipe(asked))

    return Starlette(
        routes=[
            Route("/", page),
            *(Route(f"/{name}", _file("das3d_aug.gallery", name)) for name in _OF_GALLERY),
            *(Route(f"/{name}", _file("das3d_aug.playground", name)) for name in _OWN),
            *(Route(f"/{ask.__name__}", answering(ask), methods=["POST"]) for ask in (draw, figures, read, save)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)],
        max_body_size=_LARGEST,
    )


def _recipe(asked: Asked) -> Recipe:
    values: Any = asked.get("recipe")
    return Recipe.from_dict(values)


def _file(package: str, name: str) -> Callable[[Request], Response]:
    """Return what answers with a file of a package."""

    def endpoint(request: Request) -> Response:
        data = (files(package) / "browser" / name).read_bytes()
        return Response(data, media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)

    return endpoint


def _said(error: str, status: int, field: str | None = None) -> Response:
    return JSONResponse({"error": error, "field": field}, status, headers=_HEADERS)
