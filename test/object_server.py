# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A small S3 server on the loopback device, with one bucket that every client may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import re
import threading
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = 'fleet'
_TIME = '2026-11-01T00:00:00.000Z'


class ObjectServer(ThreadingHTTPServer):
    """Keeps objects in memory.

    :ivar objects: maps the name of each object to its bytes.
    :ivar log: method and name of each request that changes objects, in order.
    :ivar requests: method and path of each request, in order.
    :ivar refused: uploads of names that match this pattern are refused; empty for none.
    """

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self.refused = ''

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_port}'


@contextmanager
def serve_objects() -> Iterator[ObjectServer]:
    """Run a server until the end of the with block."""
    with ObjectServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server: ObjectServer

    def log_message(self, *_: object) -> None:
        pass

    def parse_request(self) -> bool:
        is_valid = super().parse_request()
        self.server.requests.append(f'{self.command} {unquote(self.path)}')
        return is_valid

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(f'/{BUCKET}').strip('/')

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers['Content-Length']))
        if 'aws-chunked' in self.headers.get('Content-Encoding', ''):
            body = _join_chunks(body)
        if self.server.refused and re.search(self.server.refused, self.key):
            self.answer(403, b'<Error><Code>AccessDenied</Code></Error>')
            return
        self.server.log.append(('PUT', self.key))
        self.server.objects[self.key] = body
        self.answer(200, tag=body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if not self.key or 'list-type' in query:
            self.answer(200, self.list(query.get('prefix', [''])[0],
                                       query.get('delimiter', [''])[0]))
        elif (body := self.server.objects.get(self.key)) is None:
            self.answer(404, b'<Error><Code>NoSuchKey</Code></Error>')
        elif found := re.match(r'bytes=(\d+)-(\d*)', self.headers.get('Range', '')):
            last = int(found[2]) + 1 if found[2] else len(body)
            self.answer(206, body[int(found[1]):last], body)
        else:
            self.answer(200, body, body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        for key in re.findall('<Key>(.*?)</Key>', body):
            self.delete(key)
        self.answer(200, b'<DeleteResult></DeleteResult>')

    def do_DELETE(self) -> None:
        self.delete(self.key)
        self.answer(204)

    def delete(self, key: str) -> None:
        self.server.log.append(('DELETE', key))
        self.server.objects.pop(key, None)

    def list(self, prefix: str, delimiter: str) -> bytes:
        folders: set[str] = set()
        entries = ''
        for key, body in sorted(self.server.objects.items()):
            rest = key.removeprefix(prefix)
            if key.startswith(prefix) and delimiter and delimiter in rest:
                folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            elif key.startswith(prefix):
                entries += (f'<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>'
                            f'"{hashlib.md5(body).hexdigest()}"</ETag><LastModified>{_TIME}'
                            '</LastModified></Contents>')
        groups = ''.join(f'<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>'
                         for folder in sorted(folders))
        return (f'<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>'
                f'{entries}{groups}</ListBucketResult>').encode()

    def answer(self, status: int, body: bytes = b'', tag: bytes | None = None) -> None:
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        if tag is not None:
            self.send_header('ETag', f'"{hashlib.md5(tag).hexdigest()}"')
            self.send_header('Last-Modified', 'Sun, 01 Nov 2026 00:00:00 GMT')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)


def _join_chunks(body: bytes) -> bytes:
    """Return the content of a body in the encoding aws-chunked."""
    content = b''
    while body:
        head, _, body = body.partition(b'\r\n')
        size = int(head.partition(b';')[0], 16)
        if not size:
            break
        content, body = content + body[:size], body[size + 2:]
    return content
