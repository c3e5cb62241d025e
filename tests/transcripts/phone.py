"""A telephone: enough SIP over UDP to register, call, answer, hold and transfer.

Loopback only, and with no sound but silence: each thing a person does with a phone is one method,
so that a scenario reads like what people did. Not a SIP stack; load is made with sipp.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import socket
import struct
from typing import Any, Self
from urllib.parse import quote

_ids = itertools.count(1)
ANSWERED = ("INVITE", "REFER", "REGISTER")
"""Requests whose final answer somebody waits for."""
FRAME_SECONDS = 0.02
FRAME_BYTES = 160
"""One RTP packet of PCMU."""


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _sdp(port: int, direction: str) -> str:
    return (
        f"v=0\r\no=- {next(_ids)} {next(_ids)} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
        f"t=0 0\r\nm=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )


class Message:
    """One SIP message: first line and headers (name in small letters -> values)."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.decode(errors="replace").partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.strip().lower(), []).append(value.strip())

    def __getitem__(self, name: str) -> str:
        return self.headers[name][0]

    @property
    def status(self) -> int | None:
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else None

    @property
    def method(self) -> str:
        return self["cseq"].split()[1]


class Call:
    """One dialog of a phone."""

    def __init__(self, phone: Phone, call_id: str, local: str, remote: str, target: str) -> None:
        self.phone, self.call_id, self.local, self.remote = phone, call_id, local, remote
        self.target = target
        self.cseq = 100
        self.request: Message | None = None
        self.finals: asyncio.Queue[Message] = asyncio.Queue()
        self.ended = asyncio.Event()

    def _send(
        self, method: str, extra: str = "", body: str = "", *, acked: str | None = None
    ) -> str:
        """Give the transaction's name. `acked`: that of the refused INVITE this ACK is for."""
        branch = acked or f"z9hG4bK{next(_ids)}"
        self.cseq += method != "ACK"
        content = f"Content-Type: application/sdp\r\n{extra}" if body else extra
        self.phone.transport.sendto(
            (
                f"{method} {self.target} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{self.phone.port};rport;branch={branch}\r\n"
                f"Max-Forwards: 70\r\nFrom: {self.local}\r\nTo: {self.remote}\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\n"
                f"Contact: <sip:{self.phone.name}@127.0.0.1:{self.phone.port}>\r\n"
                f"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY, UPDATE\r\n"
                f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.phone.pbx,
        )
        return branch

    async def ask(self, method: str, extra: str = "", body: str = "") -> Message:
        """Send a request, prove who we are where the PBX wants it; give the final answer."""
        branch = self._send(method, extra, body)
        final = await self.finals.get()
        while final["cseq"] != f"{self.cseq} {method}":  # one of before, told again
            final = await self.finals.get()
        assert final.status is not None
        if method == "INVITE" and final.status >= 300:
            self._send("ACK", acked=branch)
        if final.status == 401 and not extra:
            return await self.ask(method, self.phone.credentials(method, self.target, final), body)
        return final

    async def _invite(self, direction: str) -> int:
        final = await self.ask("INVITE", body=_sdp(self.phone.rtp_port, direction))
        self.remote = final["to"]
        if "contact" in final.headers:
            self.target = final["contact"].strip("<>").split(">")[0].lstrip("<")
        if final.status == 200:
            self._send("ACK")
        assert final.status is not None
        return final.status

    async def answered(self) -> None:
        """Send the first INVITE and wait until the far end picks up."""
        status = await self._invite("sendrecv")
        assert status == 200, status

    def reply(self, code: int, reason: str, *, sdp: bool = False) -> None:
        """Answer the INVITE that rings."""
        assert self.request is not None
        self.phone.reply(self.request, code, reason, self.local, sdp=sdp)

    def ring(self) -> None:
        self.reply(180, "Ringing")

    def answer(self) -> None:
        self.reply(200, "OK", sdp=True)

    def busy(self) -> None:
        self.reply(486, "Busy Here")

    async def hold(self) -> None:
        assert await self._invite("sendonly") == 200

    async def unhold(self) -> None:
        assert await self._invite("sendrecv") == 200

    async def transfer(self, number: str, *, replaces: Call | None = None) -> None:
        """REFER the far end to a number: blind, or onto the far end of another call of ours."""
        uri = f"sip:{number}@127.0.0.1:{self.phone.pbx[1]}"
        if replaces is not None:
            tags = [re.search(r"tag=([^;>]+)", t) for t in (replaces.remote, replaces.local)]
            to_tag, from_tag = (tag.group(1) for tag in tags if tag)
            tags_text = f";to-tag={to_tag};from-tag={from_tag}"
            uri += "?Replaces=" + quote(replaces.call_id + tags_text, safe="")
        final = await self.ask("REFER", f"Refer-To: <{uri}>\r\nReferred-By: {self.local}\r\n")
        assert final.status == 202, final.first

    async def speak(self, seconds: float, sample: bytes = b"\xff") -> None:
        """Send sound over RTP to where the PBX listens in a call that rang here.

        :param sample: samples of mu-law, said again and again; without them silence.
        """
        assert self.request is not None
        found = re.search(r"m=audio (\d+)", self.request.body)
        assert found is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind(("127.0.0.1", self.phone.rtp_port))
            for count in range(int(seconds / FRAME_SECONDS)):
                header = struct.pack("!BBHII", 0x80, 0, count, count * FRAME_BYTES, 1)
                rtp.sendto(
                    header + (sample * FRAME_BYTES)[:FRAME_BYTES],
                    ("127.0.0.1", int(found.group(1))),
                )
                await asyncio.sleep(FRAME_SECONDS)

    def hang_up(self) -> None:
        self._send("BYE")
        self.ended.set()

    def cancel(self) -> None:
        """Give up before the far end answered."""
        self.phone.cancel(self)


class Phone(asyncio.DatagramProtocol):
    """A phone with a number on a port of 127.0.0.1; use it as a context manager."""

    def __init__(
        self,
        name: str,
        port: int,
        pbx_port: int,
        rtp_port: int | None = None,
        *,
        password: str = "",
    ) -> None:
        self.name, self.port, self.pbx = name, port, ("127.0.0.1", pbx_port)
        self.password = password
        self.rtp_port = rtp_port or port + 10_000
        self.calls: dict[str, Call] = {}
        self.incoming: asyncio.Queue[Call] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.transport: Any

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()
        await self.closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def register(self) -> None:
        """Be reachable at the PBX under our number."""
        final = await self.call(self.name).ask("REGISTER")
        assert final.status == 200, final.first

    def credentials(self, method: str, uri: str, challenge: Message) -> str:
        """The header that answers a challenge (digest of RFC 2617 with qop `auth`)."""
        asked = dict(re.findall(r'(\w+)="?([^",]+)', challenge["www-authenticate"]))
        realm, nonce = asked["realm"], asked["nonce"]
        secret = _md5(f"{self.name}:{realm}:{self.password}")
        answer = _md5(f"{secret}:{nonce}:00000001:zx:auth:{_md5(f'{method}:{uri}')}")
        return (
            f'Authorization: Digest username="{self.name}",realm="{realm}",nonce="{nonce}",'
            f'uri="{uri}",response="{answer}",algorithm=MD5,cnonce="zx",nc=00000001,qop=auth,'
            f'opaque="{asked.get("opaque", "")}"\r\n'
        )

    def call(self, number: str, caller_name: str = "") -> Call:
        """A call to a number; `answered()` places it."""
        display = f'"{caller_name}" ' if caller_name else ""
        call = Call(
            self,
            f"{next(_ids)}-{self.port}@127.0.0.1",
            f"{display}<sip:{self.name}@127.0.0.1>;tag=t{next(_ids)}",
            f"<sip:{number}@127.0.0.1>",
            f"sip:{number}@127.0.0.1:{self.pbx[1]}",
        )
        self.calls[call.call_id] = call
        return call

    def datagram_received(self, data: bytes, addr: object) -> None:
        message = Message(data)
        call = self.calls.get(message["call-id"])
        if message.status is not None:
            if call is not None and message.status >= 200 and message.method in ANSWERED:
                call.finals.put_nowait(message)
        elif message.method == "INVITE" and call is None:
            call = Call(
                self,
                message["call-id"],
                f"{message['to']};tag=t{next(_ids)}",
                message["from"],
                message["contact"].split("<")[1].split(">")[0],
            )
            call.request = message
            self.calls[call.call_id] = call
            self.reply(message, 100, "Trying", message["to"], sdp=False)
            self.incoming.put_nowait(call)
        elif message.method != "ACK":
            self._handled(message, call)

    def _handled(self, message: Message, call: Call | None) -> None:
        local = call.local if call else message["to"]
        self.reply(message, 200, "OK", local, sdp=message.method == "INVITE")
        if call is not None and message.method == "CANCEL":
            call.reply(487, "Request Terminated")
        if call is not None and message.method in ("BYE", "CANCEL"):
            call.ended.set()

    def reply(self, request: Message, code: int, reason: str, to: str, *, sdp: bool) -> None:
        vias = "".join(f"Via: {via}\r\n" for via in request.headers["via"])
        body = _sdp(self.rtp_port, "sendrecv") if sdp else ""
        content = "Content-Type: application/sdp\r\n" if sdp else ""
        self.transport.sendto(
            (
                f"SIP/2.0 {code} {reason}\r\n{vias}From: {request['from']}\r\nTo: {to}\r\n"
                f"Call-ID: {request['call-id']}\r\nCSeq: {request['cseq']}\r\n"
                f"Contact: <sip:{self.name}@127.0.0.1:{self.port}>\r\n{content}"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.pbx,
        )
