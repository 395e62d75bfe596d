"""The Redis port by plain sockets: what no client library sends."""

import socket
import struct
import sys

from cluster import PATIENCE, collect, until
from redis_py import connect, refused


def checks():
    return collect(sys.modules[__name__])


def reach(agent):
    return socket.create_connection(agent.redis, timeout=PATIENCE)


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def read(link, end=None):
    """What arrives up to these bytes, or to the end of the stream."""
    got = b""
    while not (end and got.endswith(end)):
        piece = link.recv(65536)
        if not piece:
            break
        got += piece
    return got


def answers(link, request):
    """All that is answered to a request; an echo behind it shows that no more comes."""
    end = b"$3\r\nend\r\n"
    link.sendall(request + command(b"ECHO", b"end"))
    got = read(link, end)
    assert got.endswith(end), got
    return got.removesuffix(end)


def check_replies_that_are_skipped(agents):
    on, off, skip = (command(b"CLIENT", b"REPLY", word) for word in (b"ON", b"OFF", b"SKIP"))
    ping, echo = command(b"PING"), command(b"ECHO", b"2")
    with reach(agents[0]) as link:
        # As redis-server 7 answers: each time anew, for the one command behind the last of them.
        for request, wanted in (
            (skip + ping + echo, b"$1\r\n2\r\n"),
            (skip + skip + ping + echo, b"$1\r\n2\r\n"),
            (skip * 3 + ping + echo, b"$1\r\n2\r\n"),
            (skip + ping + skip + ping + echo, b"$1\r\n2\r\n"),
            (off + skip + ping + echo + on + echo, b"+OK\r\n$1\r\n2\r\n"),
        ):
            got = answers(link, request)
            assert got == wanted, (request, got)


def check_a_million_arguments(agents):
    most = 1_048_576
    here = connect(agents[0], 3)
    assert here.set("raw/many", "v")
    with reach(agents[0]) as link:
        got = answers(link, command(b"EXISTS", *[b"raw/many"] * (most - 1)))
        assert got == b":%d\r\n" % (most - 1), got
        got = answers(link, command(b"DEL", *[b"raw/many"] * (most - 1)))
        assert got == b":1\r\n", got
    with reach(agents[0]) as link:
        link.sendall(b"*%d\r\n" % (most + 1))
        got = read(link)
        assert got.startswith(b"-ERR Protocol error") and str(most).encode() in got, got
    assert here.ping()


def check_long_patterns(agents):
    here = connect(agents[0], 3)
    keys = [f"raw/{number:04}{'k' * 3990}".encode() for number in range(2000)]
    assert here.mset(dict.fromkeys(keys, "v"))

    def pattern(last, length):
        """A class in which only the last of thousands of bytes may fit."""
        return b"raw/*[".ljust(length - 2, b"x") + last + b"]"

    # The client has a minute for each; byte for byte through the class it would be many.
    assert here.keys(pattern(b"y", 8192)) == []
    assert sorted(here.keys(pattern(b"k", 8192))) == keys
    assert sorted(here.scan_iter(match=pattern(b"k", 8192), count=1000)) == keys
    assert len(here.keys(b"raw/*" + b"[j-l]" * 1600)) == 2000
    refused(lambda: here.keys(pattern(b"k", 8193)), "8192")
    refused(lambda: here.scan(match=pattern(b"k", 8193)), "8192")
    hang_up_on_a_search(agents[0], here)
    assert here.delete(*keys) == 2000


def hang_up_on_a_search(agent, here):
    search = command(b"KEYS", b"raw/" + b"*?" * 3990)
    for closed_hard in (True, False):
        link = reach(agent)
        name = "%s:%d" % link.getsockname()

        def seen():
            return next((line for line in here.client_list() if line["addr"] == name), None)

        link.sendall(search)
        until("the search is under way, or over", lambda: (line := seen()) and line["cmd"] == "keys")
        if closed_hard:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
        assert here.ping()
        until("it is gone", lambda: not seen())
    assert here.set("raw/after", "v") and here.getdel("raw/after") == b"v"
