# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A fake network camera on loopback. It is an RTSP server that sends H.264 over TCP."""

from contextlib import suppress
import socket
import struct
import threading
from typing import BinaryIO

_SDP = ('v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n'
        'm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=framerate:{rate}\r\n'
        'a=fmtp:96 packetization-mode=1\r\na=control:track1\r\n')


class RtspCamera:
    """Serves one client, and closes the connection after the last packet.

    :param packets: frames in Annex B. Each NAL unit must fit into one RTP packet.
    :param status: answer to each request, such as ``404 Not Found``.
    :param stalls: whether the connection stays open after the last packet, until the client closes
        the connection.
    :ivar url: address of the camera.
    :ivar sent: an event that is set after all packets were sent.
    """

    def __init__(self, packets: list[bytes], rate: int, status: str = '200 OK',
                 stalls: bool = False) -> None:
        self.sent = threading.Event()
        self._status, self._stalls = status, stalls
        self._packets, self._rate = packets, rate
        self._server = socket.create_server(('127.0.0.1', 0))
        self.url = f'rtsp://127.0.0.1:{self._server.getsockname()[1]}/camera'
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> 'RtspCamera':
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self._thread.join(60)

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, connection.makefile('rb') as lines:
            while (request := _read_request(lines)) is not None:
                method, sequence = request
                body = _SDP.format(rate=self._rate) if method == 'DESCRIBE' else ''
                connection.sendall(
                    f'RTSP/1.0 {self._status}\r\nCSeq: {sequence}\r\nSession: 1\r\n'
                    'Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n'
                    'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n'
                    'Content-Type: application/sdp\r\n'
                    f'Content-Length: {len(body)}\r\n\r\n{body}'.encode())
                if method == 'PLAY':
                    self._send(connection)
                    if not self._stalls:
                        return

    def _send(self, connection: socket.socket) -> None:
        number = 0
        for index, packet in enumerate(self._packets):
            units = [u.rstrip(b'\0') for u in packet.split(b'\0\0\1')[1:]]
            for unit in units:
                last = 0x80 if unit is units[-1] else 0
                rtp = struct.pack('>BBHII', 0x80, 96 | last, number, index * 90_000 // self._rate,
                                  1) + unit
                assert len(rtp) < 1500
                connection.sendall(struct.pack('>cBH', b'$', 0, len(rtp)) + rtp)
                number += 1
        self.sent.set()


def _read_request(lines: BinaryIO) -> tuple[str, str] | None:
    """Return method and number of the next request. None if the client closed the connection."""
    method, sequence = '', ''
    # a client that closes the connection before it has read all packets resets the connection
    with suppress(ConnectionResetError):
        while line := lines.readline().decode():
            method = method or line.partition(' ')[0]
            if line.lower().startswith('cseq:'):
                sequence = line.partition(':')[2].strip()
            if line == '\r\n':
                return method, sequence
    return None
