#!/usr/bin/env python3
"""A codec of OAP/1 and nothing more, driven in the stdio mode.

    oap-conformance vectors --exec "python3 conformance/examples/codec.py" --only OAP-1

It finds frames, judges their headers, and writes requests and answers of one frame. What needs a
protocol around the codec it skips.
"""

import json
import struct
import sys

REQ, RESP, EVENT, START, END = 1, 2, 4, 8, 16
HEADER = struct.Struct("<IBHHH16sHQ")  # Table 1
MAX_FRAME = 1_048_576


class Skip(Exception):
    """The vector asks for more than a codec."""


class Fault(Exception):
    """The bytes are no frame: code and reason of the connection error frame."""


def encode(flags, code, app, tenant, corr, cap=b"", payload=b""):
    length = HEADER.size - 4 + len(cap) + len(payload)
    tenant = tenant.to_bytes(16, "little")
    return HEADER.pack(length, 1, flags, code, app, tenant, len(cap), corr) + cap + payload


def decode(buffer, max_frame):
    """The first frame and what follows it, or None; each check as early as its bytes are there."""
    if len(buffer) >= 4:
        length = int.from_bytes(buffer[:4], "little")
        if length < 33:
            raise Fault(400, "bad_frame")
        if length > max_frame:
            raise Fault(413, "too_large")
    if len(buffer) >= 5 and buffer[4] != 1:
        raise Fault(400, "bad_version")
    if len(buffer) >= 29:
        cap_len = int.from_bytes(buffer[27:29], "little")
        if cap_len > length - 33 or (cap_len > 0 and not buffer[5] & START):
            raise Fault(400, "bad_frame")
    if len(buffer) < HEADER.size or len(buffer) < 4 + length:
        return None
    _, _, flags, code, app, tenant, cap_len, corr = HEADER.unpack_from(buffer)
    body = buffer[HEADER.size : 4 + length]
    frame = (flags, code, app, int.from_bytes(tenant, "little"), corr, body[:cap_len], body[cap_len:])
    return frame, buffer[4 + length :]


class Endpoint:
    def __init__(self, role, config):
        known = {"no_hello", "max_frame", "max_inflight", "ack_window"}
        if set(config) - known or (role == "client" and "no_hello" not in config):
            raise Skip("the configuration")
        self.role, self.max_frame = role, config.get("max_frame", MAX_FRAME)
        self.buffer, self.open, self.last, self.closed = b"", {}, 0, False

    def input(self, step):
        if step.get("lane"):
            raise Skip("lanes")
        self.buffer += bytes.fromhex(step["bytes"])
        events = []
        try:
            while found := decode(self.buffer, self.max_frame):
                frame, self.buffer = found
                events.append(self.frame(*frame))
            return {"events": events}
        except Fault as fault:
            report = self.fail(*fault.args)
            return {**report, "events": events + report["events"]}

    def frame(self, flags, code, app, tenant, corr, cap, payload):
        kind = flags & (REQ | RESP | EVENT)
        started = self.role == "server" and kind == REQ and flags & START and corr not in self.open
        answered = self.role == "client" and kind == RESP and flags & END and corr in self.open
        if app == 0 or corr == 0 or flags & 0xE0 or code >= 400 or not (started or answered):
            raise Skip("more than a request or an answer")
        event = {"corr": str(corr), "payload": payload.hex(), "end": bool(flags & END)}
        if answered:
            del self.open[corr]
            return {"event": "data", "code": code, **event}
        self.open[corr] = (app, tenant)
        return {"event": "open", "app": app, "tenant": f"{tenant:032x}", "cap": cap.hex(), **event}

    def eof(self, step):
        if self.buffer:
            raise Fault(400, "bad_frame")
        raise Skip("the end between frames")

    def request(self, step):
        self.start(step)
        app, tenant = step["app"], int(step.get("tenant", "0"), 16)
        cap, payload = bytes.fromhex(step.get("cap", "")), bytes.fromhex(step.get("payload", ""))
        if app == 0 or len(cap) + len(payload) + 33 > MAX_FRAME:
            raise Skip("more than one frame")
        self.last += 1
        self.open[self.last] = (app, tenant)
        return self.output(encode(REQ | START | END, 0, app, tenant, self.last, cap, payload))

    def send(self, step):
        self.start(step)
        corr, payload = int(step["corr"]), bytes.fromhex(step.get("payload", ""))
        if self.role == "client" or corr not in self.open or len(payload) + 33 > MAX_FRAME:
            raise Skip("more than an answer of one frame")
        app, tenant = self.open.pop(corr)
        return self.output(encode(RESP | END, step.get("code", 0), app, tenant, corr, b"", payload))

    def start(self, step):
        if not step.get("end") or step.get("comp") or step.get("e2e") or step.get("lane"):
            raise Skip("more than a plain frame")

    def fail(self, code, reason):
        retryable = reason in ("rate_limited", "flood")
        body = {"code": reason, "message": reason, "retryable": retryable, "corr_id": "0"}
        self.closed, self.buffer = True, b""
        closed = {"event": "closed", "cause": "fault", "code": code, "reason": reason}
        error = encode(RESP | END, code, 0, 0, 0, b"", json.dumps(body).encode())
        return {**self.output(error), "events": [closed]}

    def output(self, frame):
        return {"output": [{"bytes": frame.hex()}]}


def answer(endpoint, step):
    if step["do"] not in ("input", "eof", "request", "send"):
        raise Skip(step["do"])
    if endpoint.closed:
        return {"refused": step["do"] in ("request", "send")}
    try:
        return getattr(endpoint, step["do"])(step)
    except Fault as fault:
        return endpoint.fail(*fault.args)


def main():
    endpoint = None
    for line in sys.stdin:
        step = json.loads(line)
        try:
            if step["do"] == "begin":
                endpoint, report = Endpoint(step["role"], step["config"]), {}
            else:
                report = answer(endpoint, step)
        except Skip as why:
            report = {"skip": f"only a codec: {why}"}
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
