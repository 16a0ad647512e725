"""Mails that authd has sent: from its folder of files, or to a receiver that does as it is told."""
import email
import email.policy
import re
import time


def parse(data):
    """Strict: what breaks RFC 5322 or MIME is a failure, not a guess."""
    assert b"\n" not in data.replace(b"\r\n", b""), "a bare line feed"
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert not message.defects, message.defects
    for name in message:
        assert not message[name].defects, (name, message[name].defects)
    return message


def token_of(message):
    found = re.findall(r"#token=([\w-]+)", message.get_content())
    assert len(found) == 1, message.get_content()
    return found[0]


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)


class Folder:
    """The mails of a daemon with [mail] transport = file."""

    def __init__(self, authd):
        self.path = authd.dir / "mails"

    def all(self, to=None):
        messages = [parse(p.read_bytes()) for p in sorted(self.path.glob("*.eml"))]
        return [m for m in messages if to in (None, m["To"].addresses[0].addr_spec)]

    def wait(self, to, count=1):
        """The newest of `count` mails to somebody."""
        return until(lambda: len(self.all(to)) >= count and self.all(to))[-1]
