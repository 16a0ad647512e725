"""MongoDB's wire protocol as far as a proxy has to know it: frames, and as much of BSON as is in them.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ and https://bsonspec.org/spec.html
"""
import itertools
import socket
import struct

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
MORE_TO_COME, EXHAUST_ALLOWED = 1 << 1, 1 << 16
HEADER = struct.Struct("<iiii")  # length, request, response to, kind
_SIZES = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_INTEGERS = {0x10: "<i", 0x11: "<Q", 0x12: "<q"}


class Long(int):
    """An integer of 64 bits, whatever its value."""


class Date(int):
    """Milliseconds since 1970."""


class ObjectId(bytes):
    """Twelve bytes."""


def _value(value):
    if isinstance(value, bool):
        return 0x08, bytes([value])
    if isinstance(value, Date):
        return 0x09, struct.pack("<q", value)
    if isinstance(value, int):
        is_long = isinstance(value, Long) or not -2**31 <= value < 2**31
        return (0x12, struct.pack("<q", value)) if is_long else (0x10, struct.pack("<i", value))
    if isinstance(value, float):
        return 0x01, struct.pack("<d", value)
    if isinstance(value, str):
        text = value.encode() + b"\0"
        return 0x02, struct.pack("<i", len(text)) + text
    if isinstance(value, ObjectId):
        return 0x07, bytes(value)
    if isinstance(value, list):
        return 0x04, encode({str(i): item for i, item in enumerate(value)})
    return 0x03, encode(value)


def encode(document):
    body = b""
    for key, value in document.items():
        kind, data = _value(value)
        body += bytes([kind]) + key.encode() + b"\0" + data
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _size(kind, data, at):
    """Bytes of a value that begins there."""
    if kind in _SIZES:
        return _SIZES[kind]
    if kind == 0x0B:  # a regular expression: two texts
        return data.index(0, data.index(0, at) + 1) + 1 - at
    (length,) = struct.unpack_from("<i", data, at)
    return {0x02: length + 4, 0x0D: length + 4, 0x0E: length + 4, 0x05: length + 5}.get(kind, length)


def decode(data):
    """The fields of a document; what is no number, text, list or document stays bytes."""
    fields, at = {}, 4
    while data[at]:
        kind, end = data[at], data.index(0, at + 1)
        key, at = data[at + 1:end].decode(), end + 1
        raw = data[at:at + _size(kind, data, at)]
        at += len(raw)
        if kind in _INTEGERS:
            fields[key] = struct.unpack(_INTEGERS[kind], raw)[0]
        elif kind == 0x01:
            fields[key] = struct.unpack("<d", raw)[0]
        elif kind == 0x02:
            fields[key] = raw[4:-1].decode()
        elif kind == 0x08:
            fields[key] = raw == b"\1"
        elif kind == 0x03:
            fields[key] = decode(raw)
        elif kind == 0x04:
            fields[key] = list(decode(raw).values())
        else:
            fields[key] = raw
    return fields


class Message:
    """One that came, as a command: its name, its fields, and the bytes to pass it on."""

    def __init__(self, raw):
        self.raw = raw
        _, self.id, self.answers, self.kind = HEADER.unpack_from(raw)
        self.flags = struct.unpack_from("<i", raw, 16)[0]
        if self.kind == OP_QUERY:  # flags, collection, skip, return, document
            self.command = decode(raw[raw.index(0, 20) + 9:])
        else:
            self.command = self.sections(raw, 20)
        self.name = next(iter(self.command), "")

    @staticmethod
    def sections(raw, at):
        """The first is the command; those behind are lists of it that are too long for it."""
        command = {}
        while at < len(raw):
            kind = raw[at]
            (length,) = struct.unpack_from("<i", raw, at + 1)
            if kind == 0:
                command = decode(raw[at + 1:at + 1 + length])
            else:
                end = raw.index(0, at + 5)
                name, here = raw[at + 5:end].decode(), end + 1
                command[name] = []
                while here < at + 1 + length:
                    command[name].append(decode(raw[here:]))
                    here += struct.unpack_from("<i", raw, here)[0]
            at += 1 + length
        return command

    def answer(self, document, id, answers=None, flags=0):
        """The bytes of an answer to it."""
        data = encode(document)
        if self.kind == OP_QUERY:
            body, kind = struct.pack("<iqii", 8, 0, 0, 1) + data, OP_REPLY
        else:
            body, kind = struct.pack("<iB", flags, 0) + data, OP_MSG
        return HEADER.pack(len(body) + 16, id, self.id if answers is None else answers, kind) + body


async def message_read(reader):
    header = await reader.readexactly(16)
    return header + await reader.readexactly(HEADER.unpack(header)[0] - 16)


class Commands:
    """A connection of the test's own: run("admin", {"ping": 1}) gives the answer, or raises what went wrong."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.ids = itertools.count(1)

    def close(self):
        self.file.close()
        self.socket.close()

    def run(self, database, command):
        body = struct.pack("<iB", 0, 0) + encode({**command, "$db": database})
        self.socket.sendall(HEADER.pack(len(body) + 16, next(self.ids), 0, OP_MSG) + body)
        header = self.file.read(16)
        answer = decode(self.file.read(HEADER.unpack(header)[0] - 16)[5:])
        if answer.get("ok") != 1:
            raise RuntimeError(f"{command}: {answer}")
        return answer

    def find(self, database, collection, **filter):
        return self.run(database, {"find": collection, "filter": filter, "batchSize": 1000})["cursor"]["firstBatch"]

    def fail(self, times, skip=0, **data):
        """The next commands of authd fail, after some that do not. 0: none from now on."""
        mode = {"times": times, "skip": skip} if times else "off"
        self.run("admin", {"configureFailPoint": "failCommand", "mode": mode, "data": {"appName": "authd", **data}})
