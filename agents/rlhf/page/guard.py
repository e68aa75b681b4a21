"""What stands before the page's routes: who may ask, how much at once, and what every reply carries.

Without a token only this machine can reach the server, but any web page that its owner opens can make the browser send
requests here. Such a request names a foreign Host (a name of theirs that now leads to 127.0.0.1) or a foreign Origin,
or is no JSON; it is refused. With a token nothing is answered without it.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlkit.files import RunError, append, open_append

MAX_REQUESTS = 64  # answered at the same time; more are refused
_MAX_LOG = 8 << 20  # bytes: refusals come from strangers, who must not fill the disk
_LOCAL = ("localhost", "127.0.0.1", "[::1]")

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),  # the address may hold the token
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]


class Refusal(Exception):
    """A request that is not answered: a status of HTTP, and one sentence for who sent it."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Log:
    """One line a refusal, in a file; without control characters, whoever sent them.

    Raises:
        RunError: the file cannot be written.
    """

    def __init__(self, path: Path):
        self._file = open_append(path)

    def write(self, line: str) -> None:
        """Add a line with the time."""
        text = "".join(letter if letter.isprintable() else "?" for letter in line)[:300]
        try:
            if self._file.seek(0, 2) < _MAX_LOG:
                append(self._file, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n".encode(errors="replace"))
        except RunError:
            pass  # a full disk must not keep anyone from reading the page; answers say so themselves

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Guard:
    """An ASGI application around another one.

    Args:
        app: what answers; it raises `Refusal`s.
        token: that each request must bring; None: none, then only requests to this machine's own names pass.
        policy: the page's Content-Security-Policy.
        log: of refusals.
    """

    def __init__(self, app: Any, token: str | None, policy: str, log: Log):
        self._app, self._token, self._log = app, token, log
        self._headers = [*_HEADERS, (b"content-security-policy", policy.encode())]
        self._num_requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        reply = _Reply(send, self._headers, lambda status, sentence: self._note(scope, status, sentence))
        self._num_requests += 1
        try:
            if self._num_requests > MAX_REQUESTS:
                raise Refusal(503, "too many requests at once: try again in a moment")
            self._check(scope)
            await self._app(scope, receive, reply)
        except Refusal as refusal:
            await reply.refuse(refusal)
        except Exception as error:  # a bug of ours: where it happened goes to the log, never to who asked
            place = _place(error)
            self._log.write(f"500 {type(error).__name__}: {error} at {place}")
            await reply.refuse(Refusal(500, "the server failed at this; its log label.log says where"))
        finally:
            self._num_requests -= 1

    def _note(self, scope: Any, status: int, sentence: str) -> None:
        client = scope["client"][0] if scope.get("client") else "?"
        self._log.write(f"{status} {client} {scope['method']:.12} {scope['path'][:100]!a} {sentence}")  # not the query

    def _check(self, scope: Any) -> None:
        """Refuse who may not ask."""
        host = _single(scope, b"host")
        if self._token is None:
            if _without_port(host) not in _LOCAL:
                raise Refusal(403, "this page is for this machine only: open http://127.0.0.1 or http://localhost")
        elif not secrets.compare_digest(_token_of(scope), self._token.encode()):
            raise Refusal(401, "this needs the whole address that rlkit label printed, with its token")
        origin = _single(scope, b"origin")
        if origin and origin.partition("://")[2] != host:
            raise Refusal(403, "another site's page may not ask here")
        kind = _single(scope, b"content-type").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            raise Refusal(415, "what is sent must be application/json")


class _Reply:
    """Passes a reply on with the guard's headers; what is refused is noted before anybody hears of it."""

    def __init__(self, send: Any, headers: list[tuple[bytes, bytes]], note: Callable[[int, str], None]):
        self._send, self._headers, self._note = send, headers, note
        self._has_begun = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._has_begun = True
            if message["status"] >= 400:
                self._note(message["status"], message.pop("sentence", ""))
            message = message | {"headers": [*message.get("headers", []), *self._headers]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        if self._has_begun:
            return  # nothing can be taken back
        body = refusal.sentence.encode()
        # The connection is closed, because what is left of the request has not been read.
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        headers += [(b"connection", b"close"), *([(b"retry-after", b"1")] if refusal.status == 503 else [])]
        start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        await self(start | {"sentence": refusal.sentence})
        await self({"type": "http.response.body", "body": body})


def _single(scope: Any, name: bytes) -> str:
    """Return a header's value, "" where there is none."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise Refusal(400, f"the header {name.decode()} is there twice")
    return values[0].decode("latin-1") if values else ""


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def _token_of(scope: Any) -> bytes:
    """Return the token in a request: for the page itself in its address, else in a header, which no log keeps."""
    scheme, _, token = _single(scope, b"authorization").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip().encode()
    query: bytes = scope["query_string"]
    return query.removeprefix(b"token=") if scope["path"] == "/" and query.startswith(b"token=") else b""


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
