"""redis-py, RESP2 and RESP3, against two different agents of one cluster."""

import sys
import threading

import redis
from cluster import collect, until


def checks():
    for name, check in collect(sys.modules[__name__]):
        for protocol in (2, 3):
            yield f"{name}, RESP{protocol}", lambda agents, run=check, p=protocol: run(agents, p)


def connect(agent, protocol, **options):
    host, port = agent.redis
    return redis.Redis(host, port, protocol=protocol, socket_timeout=60, **options)


def refused(call, *parts):
    try:
        call()
    except redis.ResponseError as error:
        for part in parts:
            assert part in str(error), f"{part!r} is not in {error!s}"
    else:
        raise AssertionError("it was not refused")


def check_written_at_one_read_at_another(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[1], protocol)
    key = f"py/{protocol}/greeting"
    assert here.set(key, "hello") is True
    assert until("it is heard", lambda: there.get(key)) == b"hello"
    assert there.set(key, "world", get=True) == b"hello"
    until("the overwrite is heard", lambda: here.get(key) == b"world")
    assert here.append(key, "!") == 6 and here.strlen(key) == 6
    assert here.getdel(key) == b"world!"
    until("the delete is heard", lambda: not there.exists(key))
    assert here.get(key) is None and here.type(key) == b"none"


def check_bytes_of_every_kind(agents, protocol):
    here, there = connect(agents[1], protocol), connect(agents[2], protocol)
    key, value = bytes(range(256)), bytes(range(255, -1, -1))
    here.set(key, value)
    assert until("it is heard", lambda: there.get(key)) == value
    here.set(b"", b"")
    until("the empty key is heard", lambda: there.get(b"") == b"")
    assert here.delete(key, b"", b"not there") == 2


def check_time_to_live(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[2], protocol)
    key = f"py/{protocol}/ttl"
    here.set(key, "v", ex=100)
    until("it is heard", lambda: there.exists(key))
    assert 90 < there.ttl(key) <= 100 and 90_000 < there.pttl(key) <= 100_000
    assert there.expire(key, 1000) and there.ttl(key) > 900
    assert there.persist(key) and there.ttl(key) == -1
    # Two writes within a millisecond, of which neither node has heard the other's, may go either way.
    until("that is heard", lambda: here.ttl(key) == -1)
    here.set(key, "v", px=150)
    until("it has expired at the writer", lambda: not here.exists(key))
    until("it has expired at the other", lambda: not there.exists(key))
    assert here.ttl(key) == -2


def check_pipelines_and_scans(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[1], protocol)
    wanted = {f"py/{protocol}/scan/{n}".encode(): str(n).encode() for n in range(2000)}
    with here.pipeline(transaction=False) as pipe:
        for key, value in wanted.items():
            pipe.set(key, value)
        pipe.get(next(iter(wanted)))
        answers = pipe.execute()
    assert answers == [True] * 2000 + [b"0"]
    agents.agree()
    found = list(there.scan_iter(match=f"py/{protocol}/scan/*", count=100))
    assert len(found) == 2000 and set(found) == set(wanted)
    keys = list(wanted)
    assert there.mget(keys) == list(wanted.values())
    assert set(there.keys(f"py/{protocol}/scan/*")) == set(wanted)
    assert there.dbsize() >= 2000
    assert here.mset({"py/m1": "1", "py/m2": "2"}) is True
    assert here.unlink(*keys, "py/m1", "py/m2") == 2002


def check_large_values(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[1], protocol)
    key, value = f"py/{protocol}/large", bytes(range(256)) * 4096
    assert here.set(key, value)
    assert until("it is heard", lambda: there.get(key)) == value
    refused(lambda: here.set(key, value + b"x"), "1048577", "1048576")
    refused(lambda: here.set("k" * 4097, "x"), "4097", "4096")
    refused(lambda: here.append(key, "x"), "1048577")
    assert here.ping() and here.delete(key) == 1


def check_wait_counts_who_holds_it(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[1], protocol)
    # The pool may use another connection for each command; WAIT is about one.
    client = here.client()
    key = f"py/{protocol}/waited"
    assert client.set(key, "v") is True
    assert client.wait(2, 60000) == 2
    assert there.get(key) == b"v"
    with here.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"{key}/{number}", number)
        pipe.wait(2, 60000)
        assert pipe.execute()[-1] == 2
    assert there.get(f"{key}/999") == b"999"
    assert client.set(key, "w") and client.wait(7, 200) <= 2
    refused(lambda: client.execute_command("WAIT", "1", "-1"), "timeout is negative")
    client.close()


def check_what_needs_consensus_says_why(agents, protocol):
    here = connect(agents[0], protocol)
    key = f"py/{protocol}/lock"
    refused(lambda: here.set(key, "me", nx=True), "consensus")
    refused(lambda: here.set(key, "me", xx=True), "consensus")
    refused(lambda: here.setnx(key, "me"), "consensus", "SET")
    refused(lambda: here.msetnx({key: "me"}), "consensus")
    refused(lambda: here.execute_command("WATCH", key), "consensus")
    refused(lambda: here.eval("return 1", 0), "consensus")
    with here.pipeline(transaction=True) as pipe:
        pipe.set(key, "v")
        refused(pipe.execute, "pipeline(transaction=False)")
    refused(lambda: here.execute_command("NOSUCH"), "unknown command")
    assert here.ping()


def check_what_clients_ask_of_a_server(agents, protocol):
    here = connect(agents[0], protocol, client_name="checker", db=0)
    assert here.ping() and here.echo("x") == b"x"
    assert here.client_getname() in ("checker", b"checker")
    assert any(client["name"] == "checker" for client in here.client_list())
    assert here.info()["redis_version"] and here.info("server")["tcp_port"] == agents[0].redis[1]
    assert "maxmemory" in here.config_get("maxmemory*")
    assert here.command_count() > 40
    assert here.select(0) in (True, b"OK", "OK")
    refused(lambda: connect(agents[0], protocol, db=1).ping(), "")
    assert here.dbsize() >= 0 and here.time()[0] > 1_600_000_000
    text = connect(agents[0], protocol, decode_responses=True)
    text.set("py/text", "ключ")
    assert text.get("py/text") == "ключ" and text.delete("py/text") == 1


def check_many_threads(agents, protocol):
    errors = []

    def work(number):
        client = connect(agents[number % 3], protocol)
        for n in range(100):
            key = f"py/{protocol}/thread/{number}/{n}"
            try:
                assert client.set(key, key) and client.get(key) == key.encode()
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    agents.agree()
    for agent in agents.agents:
        keys = list(connect(agent, protocol).scan_iter(f"py/{protocol}/thread/*", count=1000))
        assert len(keys) == 1200
