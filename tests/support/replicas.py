"""A replica set as a driver sees one: a proxy that plays all its members in front of one server, and elections by hand.

Members answer hello themselves, as their roles are; a primary passes commands on, a secondary refuses what is for a
primary. As all pass on to one server, what one had acknowledged is there on the next, as it is with a majority.
"""
import asyncio
import contextlib
import itertools
import pathlib
import socket
import threading
import time

from mongo_wire import EXHAUST_ALLOWED, MORE_TO_COME, Date, Long, Message, ObjectId, message_read

# Of a daemon whose reads find no primary twice.
DRIVER_LEAKS = {"LSAN_OPTIONS": f"suppressions={pathlib.Path(__file__).with_name('mongoc.supp')}"}
NAME = "rs"
NOT_WRITABLE_PRIMARY, NOT_PRIMARY_NO_SECONDARY_OK, COMMAND_NOT_FOUND = 10107, 13435, 59
HELLOS = ("hello", "isMaster", "ismaster")
FOR_A_PRIMARY = ("insert", "update", "delete", "findAndModify", "createIndexes", "dropIndexes", "create", "drop")
READS = ("find", "aggregate", "count", "distinct", "listIndexes", "explain")
WIRE_VERSION = 21  # MongoDB 7.0

# What a hook may say of a command, beside an answer of its own:
DROP = "drop"        # the connection ends and the server has seen nothing
LOSE = "lose"        # the server has done it; the connection ends without the answer
SILENCE = "silence"  # the server has done it; nothing is answered and nothing more is heard


def refusal(code, name, **more):
    """What a server says instead; more: other fields, or an errmsg of its own."""
    return {"ok": 0.0, "errmsg": name, "code": code, "codeName": name, **more}


class Member:
    def __init__(self, number):
        self.id = ObjectId(bytes(11) + bytes([number + 1]))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.close()
        self.server = None
        self.counter = 0  # of its topologyVersion
        self.is_cut = False
        self.writers = set()

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    @property
    def version(self):
        return {"processId": self.id, "counter": Long(self.counter)}


class Replicas:
    """with Replicas(server.port) as replicas: replicas.uri("database"); replicas.elect(1)

    hook(number of the member, message), when it is set, is asked before each command but hello: an answer in its
    place, DROP, LOSE or SILENCE; None: as usual.
    """

    def __init__(self, port, members=3):
        self.to = port
        self.members = [Member(number) for number in range(members)]
        self.primary, self.term = 0, 1
        self.stale = None  # one that believes to be the primary of term 1 still
        self.hook = None
        self.tasks = []  # kept, or they would be collected
        self.ids = itertools.count(1)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.run(self.begin())
        return self

    def __exit__(self, *_):
        self.run(self.end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def at(self, position, commands, event):
        """The command of these names before which so many have come: event(member, message) says what happens to it.

        What it returns is a list, empty until then.
        """
        count, happened = itertools.count(), []

        def hook(member, message):
            if message.name not in commands or next(count) != position:
                return None
            happened.append(message.name)
            return event(member, message)
        self.hook = hook
        return happened

    def hand_over(self, member, pause_s=0.05):
        """For events: this one steps down now, and after a moment without a primary the next one is elected."""
        async def elect():
            await asyncio.sleep(pause_s)
            await self.change((member + 1) % len(self.members))
        self.change_now(None)
        self.tasks.append(asyncio.ensure_future(elect()))

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def uri(self, database, **options):
        words = "&".join(f"{k}={v}" for k, v in {"replicaSet": NAME, **options}.items())
        return f"mongodb://{','.join(m.name for m in self.members)}/{database}?{words}"

    # --- elections ---

    def step_down(self):
        """No primary from now on. Connections stay, as since MongoDB 4.2."""
        self.run(self.change(None))

    def elect(self, number):
        self.run(self.change(number))

    def vanish(self, number):
        """A member dies, and the others know of no primary if it was theirs."""
        self.run(self.close(self.members[number], number))

    def come_back(self, number):
        self.run(self.listen(self.members[number]))

    def cut_off(self, number):
        """Nothing is heard from it and nothing reaches it; it believes to be what it was."""
        self.members[number].is_cut = True

    def heal(self, number, is_stale=False):
        """is_stale: and has not heard yet that another one was elected."""
        self.members[number].is_cut = False
        self.stale = number if is_stale else None
        self.run(self.close_connections(self.members[number]))

    async def change(self, number):
        self.change_now(number)

    def change_now(self, number):
        self.primary = number
        self.term += number is not None
        for member in self.members:
            member.counter += 1
        self.news.set()
        self.news = asyncio.Event()

    # --- connections ---

    async def begin(self):
        self.news = asyncio.Event()
        for member in self.members:
            await self.listen(member)

    async def end(self):
        for member in self.members:
            await self.close(member, None)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def listen(self, member):
        async def serve(reader, writer):
            await self.serve(member, reader, writer)
        member.server = await asyncio.start_server(serve, "127.0.0.1", member.port)

    async def close(self, member, number):
        if member.server:
            member.server.close()
        member.server = None
        await self.close_connections(member)
        if number is not None and self.primary == number:
            await self.change(None)

    async def close_connections(self, member):
        for writer in list(member.writers):
            writer.transport.abort()

    async def serve(self, member, reader, writer):
        member.writers.add(writer)
        upstream = None
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.to)
            while True:
                message = Message(await message_read(reader))
                await self.wait_while_cut(member)
                if message.name in HELLOS:
                    await self.hello(member, message, writer)
                else:
                    await self.command(member, message, upstream, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # somebody has closed
        finally:
            member.writers.discard(writer)
            writer.transport.abort()
            if upstream:
                upstream[1].transport.abort()

    async def wait_while_cut(self, member):
        while member.is_cut:
            await asyncio.sleep(0.02)

    # --- hello ---

    def hello_of(self, member):
        number = self.members.index(member)
        is_primary = number in (self.primary, self.stale)
        now = Date(time.time() * 1000)
        document = {"helloOk": True, "isWritablePrimary": is_primary, "ismaster": is_primary, "secondary": not is_primary,
                    "setName": NAME, "setVersion": 1, "hosts": [m.name for m in self.members], "me": member.name,
                    "topologyVersion": member.version, "lastWrite": {"lastWriteDate": now}, "localTime": now,
                    "maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000,
                    "logicalSessionTimeoutMinutes": 30, "minWireVersion": 0, "maxWireVersion": WIRE_VERSION,
                    "readOnly": False, "ok": 1.0}
        if self.primary is not None:
            document["primary"] = self.members[self.primary].name
        if is_primary:
            term = 1 if number == self.stale else self.term
            document["electionId"] = ObjectId(b"\x7f" + term.to_bytes(11, "big"))
        return document

    async def hello(self, member, message, writer):
        """At once, or when there is news; again and again to whom that is allowed."""
        patience_s = message.command.get("maxAwaitTimeMS", 0) / 1000
        known = message.command.get("topologyVersion", {}).get("counter")
        answers, streams = message.id, bool(message.flags & EXHAUST_ALLOWED) and known is not None
        while True:
            if known == member.counter:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.news.wait(), patience_s)
            await self.wait_while_cut(member)
            known, id = member.counter, next(self.ids)
            writer.write(message.answer(self.hello_of(member), id, answers, MORE_TO_COME if streams else 0))
            await writer.drain()
            if not streams:
                return
            answers = id

    # --- commands ---

    def refusal_of(self, member, message):
        """What a member that is no primary says; None: nothing."""
        if self.primary == self.members.index(member):
            return None
        if message.name in FOR_A_PRIMARY:
            return self.step_down_answer(member, message, NOT_WRITABLE_PRIMARY, "NotWritablePrimary")
        if message.name in READS and "$readPreference" not in message.command:
            return self.step_down_answer(member, message, NOT_PRIMARY_NO_SECONDARY_OK, "NotPrimaryNoSecondaryOk")
        return None

    def step_down_answer(self, member, message, code, name):
        """With the label that makes drivers try a write again, as servers have it."""
        labels = {"errorLabels": ["RetryableWriteError"]} if "txnNumber" in message.command else {}
        return refusal(code, name, topologyVersion=member.version, **labels)

    async def command(self, member, message, upstream, writer):
        said = self.hook(self.members.index(member), message) if self.hook else None
        if said == DROP:
            raise OSError("dropped")
        answer = said if isinstance(said, dict) else self.refusal_of(member, message)
        if answer:
            writer.write(message.answer(answer, next(self.ids)))
            await writer.drain()
            return
        upstream[1].write(message.raw)
        raw = await message_read(upstream[0])
        if said == LOSE:
            raise OSError("lost")
        if said == SILENCE:
            await asyncio.Event().wait()
        await self.wait_while_cut(member)
        writer.write(raw)
        await writer.drain()
