"""The server of the page to label on, asked by strangers: each is refused in a sentence, and nothing changes."""

import asyncio
import json
import re
import signal
import socket
import sqlite3

import pytest
from label_helpers import Server, answers_in, make_store

from agents.rlhf.labels import LabelStore

TOKEN = "abcdefgh-12345678_XY"


def dump(path):
    """Return all that a label file holds, but who looks at what."""
    connection = sqlite3.connect(path)
    lines = [line for line in connection.iterdump() if 'INTO "leases"' not in line]
    connection.close()
    return lines


def raw(server, data, host="127.0.0.1"):
    """Send bytes, and return (status, headers in lower case, body)."""
    with socket.create_connection((host, server.port), timeout=30) as connection:
        connection.sendall(data)
        reply = b""
        try:
            while part := connection.recv(65536):
                reply += part
                head, _, body = reply.partition(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: (\d+)", head.lower())
                if length and len(body) >= int(length[1]):
                    break
        except ConnectionResetError:
            pass  # it was closed before it had read all
    head, _, body = reply.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def request(server, target, method="GET", body=None, host=None, **headers):
    """Send a request, the target as it is, and return (status, headers, body)."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{server.port}'}"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
        headers = {"content_type": "application/json"} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return raw(server, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))


def post(server, target, value, **headers):
    return request(server, target, "POST", json.dumps(value).encode(), **headers)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    path = make_store(folder, 6)
    with LabelStore.open(path) as store:
        store.answer({6: "left"}, "Ben")
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO clips SELECT 90, step, length, start, obs, actions, rewards FROM clips WHERE id = 1"
    )
    connection.commit()
    connection.close()
    with Server(folder) as server:
        yield server
        code, said = server.end(signal.SIGINT)
        assert (code, said.strip()) == (0, f"ended; 1 answers are kept in {path}")


@pytest.fixture(autouse=True)
def _nothing_changes(request):
    """Whatever a test sends: the file stays as it was, the log has no traceback, and the server still answers."""
    if "server" not in request.fixturenames:
        yield
        return
    server = request.getfixturevalue("server")
    before = dump(server.folder / "labels.sqlite")
    yield
    assert dump(server.folder / "labels.sqlite") == before
    assert not any("Traceback" in line or " 500 " in line for line in server.log())
    status, _, body = post(server, "/next", {"who": "Anna"})
    assert (status, json.loads(body)["question"]["id"]) == (200, 1)


def newest(server, status):
    """Return the newest line of the log, which must be of a refusal with this status."""
    line = server.log()[-1]
    assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {status} 127\.0\.0\.1 ", line), line
    return line


def check_refused(server, reply, status):
    code, headers, body = reply
    assert code == status, body
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    sentence = body.decode()
    assert 5 < len(sentence) < 200
    assert "\n" not in sentence
    assert str(server.folder) not in sentence or status in (404, 409)
    newest(server, status)


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%252e%252e%252fetc/passwd",
        "/..%c0%af..%c0%afetc/passwd", "/..\\..\\etc\\passwd", "//etc/passwd", "/etc/passwd",
        "/labels.sqlite", "/clips/../labels.sqlite", "/clips/..%2flabels.sqlite", "/clips/%2e%2e%2flabels.sqlite",
        "/clips/%252e%252e%252flabels.sqlite", "/clips/1/../../label.log", "/clips/1%00", "/clips/1%0a", "/clips/",
        "/clips/-1", "/clips/+1", "/clips/1.5", "/clips/1e3", "/clips/%EF%BC%91", "/clips/0x1", "/clips/1%20",
        "/clips/" + "9" * 20, "/clips/" + "9" * 5000, "/clips/4294967297", "/clips/1/", "/index.html", "/guard.py",
        "/next/", "/%", "/clips/90", "/clips/91", "/clips/1'--", "/favicon.ico", "/.well-known/x", "/docs",
        "/openapi.json", "/a%0d%0aSet-Cookie:%20x=1", "/%1b[31m",
    ],
)  # fmt: skip
def test_nothing_but_the_page_and_clips_of_questions_can_be_read(server, target):
    count = len(server.log())
    check_refused(server, request(server, target), 404)
    assert len(server.log()) == count + 1
    assert newest(server, 404).isprintable()


def test_the_page_and_clips_of_questions_are_served(server):
    count = len(server.log())
    status, headers, body = request(server, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<script>" in body
    status, headers, body = request(server, "/clips/3")
    assert (status, headers["content-type"], body[:6]) == (200, "image/gif", b"GIF89a")
    assert request(server, "/", "HEAD", connection="close")[0] == 200
    assert post(server, "/next", {"who": "Anna"}, origin=f"http://127.0.0.1:{server.port}")[0] == 200
    assert post(server, "/next", {"who": "Anna"}, host=f"LOCALHOST:{server.port}")[0] == 200
    assert len(server.log()) == count


def test_a_name_is_suggested(tmp_path):
    make_store(tmp_path, 1)
    with Server(tmp_path, "--who", "Zoë O'Neill") as server:
        status, _, body = post(server, "/hello", {})
        assert (status, json.loads(body)) == (200, {"environment": "pendulum", "who": "Zoë O'Neill"})
        assert post(server, "/next", {"who": "李"})[0] == 200


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/next"),
        ("GET", "/answer"),
        ("DELETE", "/"),
        ("PUT", "/clips/1"),
        ("OPTIONS", "/answer"),
        ("TRACE", "/"),
    ],
)
def test_other_methods_are_refused(server, method, target):
    check_refused(server, request(server, target, method), 405)


GOOD = {"who": "Anna", "question": 1, "choice": "left"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 4000, b'{"who": NaN', b"{}", b'{"who": "Anna"}',
        *(json.dumps(GOOD | change).encode() for change in (
            {"more": 1}, {"who": ""}, {"who": 7}, {"who": None}, {"who": ["Anna"]}, {"who": "x" * 61},
            {"who": "a\nb"}, {"who": "\x1b[31m"}, {"question": "1"}, {"question": 1.0}, {"question": True},
            {"question": None}, {"question": -1}, {"question": 10**30}, {"choice": "undo"}, {"choice": "LEFT"},
            {"choice": ""}, {"choice": 1}, {"choice": ["left"]}, {"choice": {"a": 1}}, {"choice": None},
        )),
        b'{"who": "Anna", "question": 1e999, "choice": "left"}',
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(server, body):
    check_refused(server, request(server, "/answer", "POST", body), 400)


def test_answers_that_cannot_be_taken_are_refused(server):
    check_refused(server, post(server, "/answer", GOOD | {"question": 77}), 404)
    check_refused(server, post(server, "/answer", GOOD | {"question": 6}), 409)
    assert "question 6 has been answered by Ben already" in newest(server, 409)
    assert post(server, "/undo", {"who": "Anna", "question": 6})[0] == 200  # not hers: nothing is done
    assert answers_in(server.folder / "labels.sqlite") == [(6, "left", "Ben")]


def test_bodies_are_bounded_before_they_are_read(server):
    start = f"POST /answer HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Type: application/json\r\n".encode()
    for length in (4097, 10**9, 10**18):  # nothing of it is ever sent
        check_refused(server, raw(server, start + b"Content-Length: %d\r\n\r\n" % length), 413)
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    check_refused(server, raw(server, start + b"Transfer-Encoding: chunked\r\n\r\n" + 4 * chunk), 413)
    check_refused(server, request(server, "/answer", "POST", b" " * 5000), 413)
    # Within the bound, but never complete: the connection ends, and nothing happens.
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(start + b"Content-Length: 100\r\n\r\n{")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_what_a_form_of_another_site_can_send_is_refused(server, kind):
    check_refused(server, post(server, "/answer", GOOD, content_type=kind), 415)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost.evil.example", "[::2]", "x@localhost", ""],
)
def test_names_that_lead_here_from_outside_are_refused(server, host):
    for target in ("/", "/clips/1", "/nowhere"):
        check_refused(server, request(server, target, host=host or " "), 403)
    check_refused(server, post(server, "/answer", GOOD, host=host or " "), 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "x"])
def test_pages_of_other_sites_are_refused(server, origin):
    check_refused(server, post(server, "/answer", GOOD, origin=origin), 403)
    check_refused(server, request(server, "/clips/1", origin=origin), 403)


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /next HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /next HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused(server, data):
    count = len(server.log())
    assert raw(server, data)[0] == 400
    assert len(server.log()) == count + 1
    assert "uvicorn: Invalid HTTP request received." in server.log()[-1]


def test_two_hundred_requests_at_once_are_answered_or_refused(server):
    targets = ["/", "/clips/1", "/clips/2", "/clips/9", "/nowhere"]
    body = json.dumps({"who": "Anna"}).encode()

    async def one(k):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"Host: localhost:{server.port}\r\nConnection: close\r\n"
        if k % 4 == 0:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            writer.write(f"POST /next HTTP/1.1\r\n{head}\r\n".encode() + body)
        else:
            writer.write(f"GET {targets[k % 5]} HTTP/1.1\r\n{head}\r\n".encode())
        reply = await reader.read()
        writer.close()
        return int(reply.split()[1])

    async def everybody():
        return await asyncio.wait_for(asyncio.gather(*(one(k) for k in range(200))), 120)

    count = len(server.log())
    statuses = asyncio.run(everybody())
    assert len(statuses) == 200
    assert {*statuses} <= {200, 404, 503}
    assert statuses.count(200) >= 50
    refused = [line for line in server.log()[count:] if re.search(r" (404|503) 127\.0\.0\.1 ", line)]
    assert len(refused) == statuses.count(503) + statuses.count(404)


# --- with a token -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("open")
    make_store(folder, 2)
    with Server(folder, "--host", "0.0.0.0", "--token", TOKEN) as server:
        yield server


@pytest.mark.parametrize(
    "bearer",
    [
        None,
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN.lower()}",
        "Bearer \xff",
    ],
)
def test_nothing_is_answered_without_the_token(open_server, bearer):
    headers = {} if bearer is None else {"authorization": bearer}
    before = dump(open_server.folder / "labels.sqlite")
    for target in (
        "/",
        "/clips/1",
        "/nowhere",
        f"/?token={TOKEN}x",
        "/?token=",
        f"/clips/1?token={TOKEN}",
        f"/?x=1&token={TOKEN}",
    ):
        check_refused(open_server, request(open_server, target, **headers), 401)
    for verb in ("hello", "next", "answer", "undo"):
        check_refused(open_server, post(open_server, f"/{verb}?token={TOKEN}", GOOD, **headers), 401)
    assert dump(open_server.folder / "labels.sqlite") == before
    assert not any(TOKEN in line for line in open_server.log())


def test_with_the_token_everything_is(open_server):
    assert open_server.token == TOKEN
    assert request(open_server, f"/?token={TOKEN}", host="192.0.2.7:8722")[0] == 200
    bearer = {"authorization": f"Bearer {TOKEN}", "host": "192.0.2.7:8722"}
    assert request(open_server, "/clips/1", **bearer)[0] == 200
    status, _, body = post(open_server, "/next", {"who": "Anna"}, **bearer)
    assert (status, json.loads(body)["question"]["id"]) == (200, 1)
    assert post(open_server, "/next", {"who": "Anna"}, **bearer, origin="http://evil.example")[0] == 403
    assert post(open_server, "/next", {"who": "Anna"}, **bearer, origin="http://192.0.2.7:8722")[0] == 200


def test_where_others_can_come_a_token_is_made(tmp_path):
    make_store(tmp_path, 1)
    with Server(tmp_path, "--host", "0.0.0.0") as server:
        assert len(server.token) >= 32
        assert server.host != "0.0.0.0"
        assert request(server, "/")[0] == 401
        assert request(server, f"/?token={server.token}")[0] == 200
        first = server.token
    with Server(tmp_path, "--host", "0.0.0.0") as server:
        assert server.token != first


# --- the file under it --------------------------------------------------------------------------------------------


def test_the_server_outlives_the_label_file(tmp_path):
    path = make_store(tmp_path, 2)
    with Server(tmp_path) as server:
        assert post(server, "/answer", GOOD)[0] == 200
        path.rename(tmp_path / "away")
        status, headers, body = post(server, "/answer", GOOD | {"question": 2})
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"labels.sqlite is gone: put it back" in body
        make_store(tmp_path, 2)  # another one in its place
        assert post(server, "/answer", GOOD | {"question": 2})[0] == 200
    assert answers_in(path) == [(2, "left", "Anna")]
    assert answers_in(tmp_path / "away") == [(1, "left", "Anna")]
