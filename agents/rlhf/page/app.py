"""The page's routes: the page, the clips' animations, and questions and answers as JSON.

    GET  /                the page
    GET  /clips/NUMBER    the GIF of a clip that a question shows
    POST /hello {}        what there is to label, and a name to suggest to who sits at this machine
    POST /next {who}      a question for `who`, leased to them, and how far the labelling is
    POST /answer {who, question, choice}   keep an answer, then as /next
    POST /undo {who, question}             take the answer to `question` back if it is their last, then as /next

Everything that changes something may be sent again without doing it twice. SQLite and drawing are slow enough to have
a thread each: an answer never waits for a picture.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from agents.rlhf.labels import SKIP, TARGETS, LabelError, LabelStore, TakenError, UnknownError, check_name
from agents.rlhf.page.guard import Guard, Log, Refusal
from agents.rlhf.pictures import Pictures
from rlkit.extras import import_extra

import_extra("starlette", "label", "the page to label on needs Starlette and uvicorn")
from starlette.requests import ClientDisconnect, Request  # noqa: E402
from starlette.responses import HTMLResponse, JSONResponse, Response  # noqa: E402
from starlette.routing import Route, Router  # noqa: E402

MAX_BODY = 4096  # bytes
BODY_SECONDS = 10.0  # in which a request's body must have come
MAX_DRAWINGS = 16  # that wait or are made
_CHOICES = (*TARGETS, SKIP)


class Desk:
    """A label file as one thread reads and writes it; opened again where the file has been replaced."""

    def __init__(self, path: Path, name: str):
        self._path = path
        self._thread = ThreadPoolExecutor(1, name)
        self._store: LabelStore | None = None
        self._identity: tuple[int, int] | None = None
        self.num_waiting = 0

    async def do(self, work: Callable[[LabelStore], Any]) -> Any:
        """Return what `work` makes of the store; a store that cannot be used is a refusal."""
        self.num_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)
        except UnknownError as error:
            raise Refusal(404, str(error)) from None
        except TakenError as error:
            raise Refusal(409, str(error)) from None
        except LabelError as error:
            raise Refusal(503, str(error)) from None
        finally:
            self.num_waiting -= 1

    def _run(self, work: Callable[[LabelStore], Any]) -> Any:
        try:
            facts = os.stat(self._path)
        except OSError:
            raise LabelError(f"{self._path} is gone: put it back") from None
        identity = (facts.st_dev, facts.st_ino)
        if self._store is None or identity != self._identity:
            self._store, self._identity = LabelStore.open(self._path), identity
        return work(self._store)


def make_app(path: Path, pictures: Pictures, who: str, token: str | None, log: Log) -> Guard:
    """Return the ASGI application of the label file `path`; `who` is the name that the page suggests."""
    page = Path(__file__).with_name("index.html").read_bytes()
    routes = _Routes(page, Desk(path, "answers"), Desk(path, "drawings"), pictures, who)
    verbs = [Route(f"/{verb}", getattr(routes, verb), methods=["POST"]) for verb in ("hello", "next", "answer", "undo")]
    places = [Route("/", routes.page), Route("/clips/{number}", routes.clip), *verbs]
    # The router alone: the rest of a Starlette application would answer exceptions before the guard sees them.
    return Guard(Router(places, redirect_slashes=False, default=_nowhere), token, content_policy(page), log)


def content_policy(page: bytes) -> str:
    """Return the policy under which only the page's own script and style work, and nothing is loaded from elsewhere."""
    hashes = {}
    for tag in ("script", "style"):
        code = re.search(rf"<{tag}>(.*?)</{tag}>".encode(), page, re.S)
        assert code is not None
        hashes[tag] = base64.b64encode(hashlib.sha256(code[1]).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class _Routes:
    def __init__(self, page: bytes, answers: Desk, drawings: Desk, pictures: Pictures, who: str):
        self._page, self._answers, self._drawings, self._pictures, self._who = page, answers, drawings, pictures, who

    async def page(self, request: Request) -> Response:
        return HTMLResponse(self._page)

    async def clip(self, request: Request) -> Response:
        text = request.path_params["number"]
        if not re.fullmatch("[0-9]{1,9}", text):
            raise Refusal(404, "a clip has a number")
        number = int(text)
        if self._drawings.num_waiting >= MAX_DRAWINGS:
            raise Refusal(503, "too many clips at once: try again in a moment")
        gif = await self._drawings.do(lambda store: self._draw(store, number))
        return Response(gif, media_type="image/gif")

    def _draw(self, store: LabelStore, number: int) -> bytes:
        if not store.is_asked(number):
            raise UnknownError(f"no question shows a clip {number}")
        clip = store.clip(number)
        try:
            return self._pictures.animation(number, clip)
        except LabelError as error:
            raise UnknownError(str(error)) from None  # it will not be drawn another time either

    async def hello(self, request: Request) -> Response:
        await _body(request, ())
        is_local = request.client is not None and request.client.host in ("127.0.0.1", "::1")
        who = self._who if is_local else ""  # somebody else at another machine: two people need two names
        return JSONResponse({"environment": self._pictures.environment.name, "who": who})

    async def next(self, request: Request) -> Response:
        body = await _body(request, ("who",))
        return JSONResponse(await self._answers.do(lambda store: _situation(store, body["who"])))

    async def answer(self, request: Request) -> Response:
        body = await _body(request, ("who", "question", "choice"))

        def keep(store: LabelStore) -> dict[str, Any]:
            store.answer({body["question"]: body["choice"]}, body["who"])
            return _situation(store, body["who"])

        return JSONResponse(await self._answers.do(keep))

    async def undo(self, request: Request) -> Response:
        body = await _body(request, ("who", "question"))

        def take_back(store: LabelStore) -> dict[str, Any]:
            store.undo(body["who"], body["question"])
            return _situation(store, body["who"])

        return JSONResponse(await self._answers.do(take_back))


def _situation(store: LabelStore, who: str) -> dict[str, Any]:
    """Lease `who` a question, and return all that the page shows."""
    progress = store.progress()
    question = None if progress.is_over else store.next_question(who)
    after = question and store.question_after(question.id, who)
    return {
        "question": question and {"id": question.id, "left": question.left, "right": question.right},
        "ahead": [after.left, after.right] if after else [],
        "undo": store.last_answered(who),
        "mine": store.progress(who).answered,
        "progress": vars(progress),
    }


async def _body(request: Request, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON object in a request's body, which has exactly these names."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > MAX_BODY:
        raise Refusal(413, f"a request may have {MAX_BODY} bytes")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            data = b""
            async for part in request.stream():
                data += part
                if len(data) > MAX_BODY:
                    raise Refusal(413, f"a request may have {MAX_BODY} bytes")
    except ClientDisconnect:
        raise Refusal(400, "the request broke off") from None
    except TimeoutError:
        raise Refusal(408, f"a request must be complete within {BODY_SECONDS:g} seconds") from None
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise Refusal(400, "this is not JSON") from None
    if not isinstance(body, dict) or set(body) != {*names}:
        raise Refusal(400, f"this must be a JSON object with {', '.join(names) or 'nothing in it'}")
    _check_values(body)
    return body


def _check_values(body: dict[str, Any]) -> None:
    if "who" in body:
        try:
            check_name(body["who"])
        except LabelError as error:
            raise Refusal(400, str(error)) from None
    number = body.get("question", 0)
    if type(number) is not int or not 0 <= number < 1 << 40:
        raise Refusal(400, "question must be a question's number")
    if body.get("choice", SKIP) not in _CHOICES:
        raise Refusal(400, f"choice must be one of {', '.join(_CHOICES)}")


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    raise Refusal(404, "there is nothing here: the page is at /")
