"""Serves the page to label on, until Ctrl-C."""

import errno
import ipaddress
import logging
import re
import secrets
import socket
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.rlhf.labels import LabelError, LabelStore
from agents.rlhf.page.guard import Log
from agents.rlhf.pictures import Pictures
from rlkit.extras import import_extra

if TYPE_CHECKING:
    from rlkit.environment import Environment

HOST, PORT = "127.0.0.1", 8722
MAX_CONNECTIONS = 256
SILENT_SECONDS = 10.0  # after which a connection without a request is closed


def serve(
    path: Path,
    who: str,
    *,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    environment: "Environment | None" = None,
) -> None:
    """Serve the page for a label file; refusals are logged to label.log beside it.

    Args:
        path: of the label file.
        who: the name that the page suggests to who opens it.
        host: the address to listen at; other machines reach the page only at another one than this machine's own.
        port: 0 takes any that is free.
        token: that every request must bring. None: at this machine's own address there is none, at others one is made.
        environment: that of the clips, where it is not one of rlkit's.

    Raises:
        LabelError: the file or its clips cannot be shown, the address cannot be used, or the token is a weak one.
        MissingExtraError: Starlette or uvicorn is not installed.
    """
    uvicorn = import_extra("uvicorn", "label", "the page to label on needs uvicorn and Starlette")
    from agents.rlhf.page.app import make_app

    with LabelStore.open(path) as store:
        pictures = Pictures(store.about, environment)
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]{16,128}", token):
        raise LabelError("a token has 16 to 128 letters, digits and any of -_.~: leave --token out to get a good one")
    listener = _listen(host, port)
    address = listener.getsockname()[0]
    if token is None and not ipaddress.ip_address(address).is_loopback:
        token = secrets.token_urlsafe(24)
    log = Log(path.with_name("label.log"))
    _log_to(log)
    config = uvicorn.Config(
        make_app(path, pictures, who, token, log), http=_protocol(), ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, date_header=False, proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS, timeout_graceful_shutdown=2,
    )  # fmt: skip
    greeting = f"label at {_url(address, listener.getsockname()[1], token)} (Ctrl-C ends)"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # a Ctrl-C before it has begun
            _server(config, greeting).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
        log.close()
    with LabelStore.open(path) as store:
        print(f"\nended; {store.progress().answered} answers are kept in {path}")


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:  # the system would take the remainder
        raise LabelError(f"there is no port {port}: ports go from 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except socket.gaierror:
        raise LabelError(f"there is no address {host!r}: use 127.0.0.1, or 0.0.0.0 for other machines too") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65535 else 0
            sentence = f"port {port} is taken, perhaps by another rlkit label: end that one, or add --port {other}"
            raise LabelError(sentence) from None
        raise LabelError(f"cannot listen at {host} port {port}: {error.strerror or error}") from None


def _url(address: str, port: int, token: str | None) -> str:
    """Return where to go; an address for "all of them" becomes the one that other machines most likely reach."""
    if ipaddress.ip_address(address).is_unspecified:
        address = _own_address()
    shown = f"[{address}]" if ":" in address else address
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of documentation; nothing is sent
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _server(config: Any, greeting: str) -> Any:
    """Return uvicorn's server, which says `greeting` once it answers."""
    uvicorn = import_extra("uvicorn", "label", "the page to label on needs uvicorn and Starlette")

    class Server(uvicorn.Server):  # type: ignore[name-defined]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(greeting, flush=True)

    return Server(config)


def _protocol() -> Any:
    """Return uvicorn's protocol, closing connections that say nothing: they would hold the places of others."""
    h11_impl = import_extra("uvicorn.protocols.http.h11_impl", "label", "the page to label on needs uvicorn's h11")

    class Protocol(h11_impl.H11Protocol):  # type: ignore[name-defined]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(SILENT_SECONDS, self._close_silent)

        def _close_silent(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Protocol


def _log_to(log: Log) -> None:
    """Let what uvicorn has to say (a request that is no HTTP, too many connections) be one line each."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            log.write(f"uvicorn: {record.getMessage()}")

    logger = logging.getLogger("uvicorn")
    logger.handlers[:] = [Handler(logging.WARNING)]
    logger.propagate = False
