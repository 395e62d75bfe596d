"""Clients of the stayers: those that write, and one that watches."""

import asyncio
import collections
import random

from agents import ASK_FAILED, PATIENCE, connect, now

TICK = 0.05  # between two batches of one connection
RECENT = 1000  # keys of short life that are remembered, to delete some of them


class Load:
    """Writes through the Redis ports, at a rate in total, over several connections."""

    def __init__(self, options, stayers):
        self.acknowledged = 0
        self.errors = collections.Counter()
        self.last = None  # when the last write was acknowledged
        self.over = False
        self.options = options
        rate = options.load / options.connections
        self.connections = [
            self.connection(stayers[i % len(stayers)], rate, i)
            for i in range(options.connections if options.load else 0)
        ]

    async def connection(self, agent, rate, number):
        writes = self.writes(random.Random(f"{self.options.seed}/{number}"), number)
        while not self.over:
            writer = None
            try:
                reader, writer = await connect(agent.redis)
                await self.drive(reader, writer, rate, writes)
            except ASK_FAILED as error:
                self.errors[f"connection: {type(error).__name__}"] += 1
                await asyncio.sleep(0.5)
            finally:
                if writer:
                    writer.close()

    async def drive(self, reader, writer, rate, writes):
        begun, sent = now(), 0
        while not self.over:
            await asyncio.sleep(TICK)
            due = int((now() - begun) * rate) - sent
            if due > rate:
                # An agent that is slow is not made slower by what it could not take before.
                begun, sent, due = now(), 0, max(1, int(rate))
            sent += due
            writer.write(b"".join(next(writes) for _ in range(due)))
            for _ in range(due):
                reply = await asyncio.wait_for(reader.readline(), 6 * PATIENCE)
                if not reply.endswith(b"\n"):
                    raise OSError("the connection was closed")
                if reply.startswith(b"-"):
                    self.errors[reply[1:].split(b" ", 1)[0].decode()] += 1
                else:
                    self.acknowledged += 1
            if due:
                self.last = now()

    def writes(self, rng, number):
        """Requests without end: keys that are overwritten and deleted again and again, and keys
        of short life that never come back, whose tombstones only passes can take away."""
        recent, count = collections.deque(maxlen=RECENT), 0
        while True:
            kind, key = rng.random(), f"key/{rng.randrange(self.options.keys)}"
            value = "%x" % rng.getrandbits(rng.randrange(40, 800))
            if kind < 0.60:
                yield request("SET", key, value)
            elif kind < 0.75:
                yield request("DEL", key)
            elif kind < 0.85:
                yield request("SET", key, value, "EX", rng.randrange(5, 60))
            elif kind < 0.95 or not recent:
                count += 1
                recent.append(f"session/{number}/{count}")
                yield request("SET", recent[-1], value, "EX", rng.randrange(10, 30))
            else:
                yield request("DEL", recent.popleft())


def request(*words):
    words = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Watch:
    """A client that follows all changes at one agent."""

    def __init__(self):
        self.events = collections.Counter()
        self.breaks = 0

    async def follow(self, address):
        while True:
            writer = None
            try:
                reader, writer = await connect(address)
                path = "/v1/watch?prefix=&keys=1"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                await reader.readuntil(b"\r\n\r\n")
                await self.count(reader)
            except ASK_FAILED:
                self.breaks += 1
                await asyncio.sleep(0.5)
            finally:
                if writer:
                    writer.close()

    async def count(self, reader):
        rest = b""
        while True:
            size = int(await reader.readline() or b"0", 16)
            if size == 0:
                raise OSError("the watch has ended")
            chunk = await reader.readexactly(size + 2)
            *lines, rest = (rest + chunk[:-2]).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    self.events[line[7:].strip().decode()] += 1
