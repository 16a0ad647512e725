"""A DNS server of a test's own (RFC 1035, RFC 2782), as far as mongodb+srv:// asks one."""
import socket
import struct
import threading

A, TXT, SRV = 1, 16, 33
NAME_ERROR = 3
ANSWER_FLAGS = 0x8580  # an answer, authoritative, with recursion


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def address(ip):
    return A, socket.inet_aton(ip)


def text(words):
    return TXT, bytes([len(words)]) + words.encode()


def service(host, port):
    return SRV, struct.pack("!HHH", 0, 0, port) + name_bytes(host)


class Names:
    """with Names({"db.example.test": [address("127.0.0.1")]}): ..., on port 53 of a network namespace of one's own."""

    def __init__(self, records, ip="127.0.0.1", port=53):
        self.records = records
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, port))
        self.socket.settimeout(0.1)
        self.is_closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_closing = True
        self.thread.join()
        self.socket.close()

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        (kind,) = struct.unpack_from("!H", query, at + 1)
        question = query[12:at + 5]
        known = self.records.get(".".join(labels))
        found = [data for k, data in known or [] if k == kind]
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data for data in found)
        flags = ANSWER_FLAGS | (0 if known else NAME_ERROR)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0) + question + body

    def run(self):
        while not self.is_closing:
            try:
                query, client = self.socket.recvfrom(512)
            except TimeoutError:
                continue
            self.socket.sendto(self.answer(query), client)
