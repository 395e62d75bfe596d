"""redis-py, RESP2 and RESP3, against two different agents of one cluster."""

import socket
import sys
import tempfile
import threading

import redis
from cluster import Agent, Cluster, collect, until
from http_api import ask
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry


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


def busy(call):
    try:
        call()
    except redis.BusyLoadingError:
        return
    raise AssertionError("it was not LOADING")


def fields(answer):
    """A map, which is a flat list in RESP2."""
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2]))


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
    wanted = {f"py/{protocol}/scan/{n}".encode(): str(n).encode() for n in range(5000)}
    with here.pipeline(transaction=False) as pipe:
        for key, value in wanted.items():
            pipe.set(key, value)
        pipe.get(next(iter(wanted)))
        answers = pipe.execute()
    assert answers == [True] * 5000 + [b"0"]
    agents.agree()
    for count in (None, 77, 1000, 10_000):
        found = list(there.scan_iter(match=f"py/{protocol}/scan/*", count=count))
        assert len(found) == 5000 and set(found) == set(wanted), (count, len(found))
    few = set(there.scan_iter(match=f"py/{protocol}/scan/[0-1]?42", count=500))
    assert len(few) == 10 and few < set(wanted), few
    keys = list(wanted)
    assert there.mget(keys) == list(wanted.values())
    assert set(there.keys(f"py/{protocol}/scan/*")) == set(wanted)
    assert there.dbsize() >= 5000
    assert here.mset({"py/m1": "1", "py/m2": "2"}) is True
    assert here.unlink(*keys, "py/m1", "py/m2") == 5002


def check_a_pipeline_of_ten_thousand_commands(agents, protocol):
    here = connect(agents[0], protocol)
    key = f"py/{protocol}/long"
    with here.pipeline(transaction=False) as pipe:
        for number in range(2500):
            pipe.set(key, number).append(key, "!").get(key).strlen(key)
        answers = pipe.execute()
    assert len(answers) == 10_000
    for number in range(2500):
        value = f"{number}!".encode()
        got = answers[4 * number : 4 * number + 4]
        assert got == [True, len(value), value, len(value)], (number, got)
    # One that is refused does not keep those behind it from being carried out.
    with here.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(key, number).execute_command("NOSUCH")
        answers = pipe.execute(raise_on_error=False)
    assert answers[::2] == [True] * 5000
    assert all("unknown command" in str(error) for error in answers[1::2])
    assert here.getdel(key) == b"4999"


def check_a_random_key_is_any_of_those_there_are(agents, protocol):
    here = connect(agents[0], protocol)
    agents.agree()
    here.flushall()
    assert here.randomkey() is None
    wanted = {f"py/{protocol}/random/{n}".encode() for n in range(1000)}
    here.mset(dict.fromkeys(wanted, "v"))
    with here.pipeline(transaction=False) as pipe:
        for _ in range(1000):
            pipe.randomkey()
        drawn = pipe.execute()
    # If each has the same chance these are 632 in the mean, and 10 more or less mostly.
    assert set(drawn) <= wanted and len(set(drawn)) > 500, len(set(drawn))
    # Deleted keys do not hide the one that is left.
    here.mset({f"py/{protocol}/random/{n}": "v" for n in range(20_000)})
    here.flushall()
    agents.agree()
    assert here.dbsize() == 0 and here.randomkey() is None
    assert here.set("left", "v")
    assert {here.randomkey() for _ in range(100)} == {b"left"}
    assert here.delete("left") == 1 and here.randomkey() is None
    agents.agree()


def check_large_values(agents, protocol):
    here, there = connect(agents[0], protocol), connect(agents[1], protocol)
    key, value = f"py/{protocol}/large", bytes(range(256)) * 4096
    assert here.set(key, value)
    assert until("it is heard", lambda: there.get(key)) == value
    refused(lambda: here.set(key, value + b"x"), "1048577", "1048576")
    refused(lambda: here.set("k" * 4097, "x"), "4097", "4096")
    refused(lambda: here.append(key, "x"), "1048577")
    assert here.ping() and here.delete(key) == 1


def check_the_largest_values_that_can_be_allowed(agents, protocol):
    largest = 8 << 20
    with Cluster(agents.binary, 2, ["--set", f"limits.max_value={largest}"]) as large:
        here, there = connect(large[0], protocol), connect(large[1], protocol)
        value = bytes(range(256)) * (largest // 256)
        assert here.set("large", value) and here.get("large") == value
        assert until("it is heard", lambda: there.get("large")) == value
        assert there.strlen("large") == largest and there.getrange("large", -2, -1) == b"\xfe\xff"
        refused(lambda: here.set("large", value + b"x"), str(largest + 1), str(largest))
        refused(lambda: there.append("large", "x"), str(largest + 1), str(largest))
        assert here.get("large") == there.get("large") == value
        assert not large.trouble(), large.trouble()


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


def check_who_waits_is_seen(agents, protocol):
    name = f"waits-{protocol}"
    here = connect(agents[0], protocol)
    link = connect(agents[0], protocol, client_name=name).connection_pool.get_connection()

    def seen():
        return next((line for line in here.client_list() if line["name"] == name), None)

    assert seen()["flags"] == "N", seen()
    link.send_command("SET", f"py/{protocol}/seen", "v")
    assert link.read_response() == b"OK"
    # More than there are members, for as long as the connection lasts.
    link.send_command("WAIT", 9, 0)
    until("it is seen in WAIT", lambda: seen()["flags"] == "b" and seen()["cmd"] == "wait")
    assert here.info("clients")["blocked_clients"] == 1
    asking = here.client_info()
    assert asking["flags"] == "N" and asking["cmd"] == "client|info", asking
    link.disconnect()
    until("it is gone", lambda: not seen())
    assert here.info("clients")["blocked_clients"] == 0


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
        pipe.set(key, "v").append(key, "!")
        refused(pipe.execute, "pipeline(transaction=False)", "one by one")
    assert here.getdel(key) == b"v!"
    with here.pipeline(transaction=True) as pipe:
        refused(lambda: pipe.watch(key), "consensus")
    assert here.ping()


def check_what_is_not_here_is_explained(agents, protocol):
    here = connect(agents[0], protocol)
    cluster, serialized = "Redis Cluster and Sentinel", "serialized form"
    for call, name, group in (
        (lambda: here.lcs("a", "b"), "LCS", "comparisons of values"),
        (lambda: here.debug_object("k"), "DEBUG", "administration"),
        (here.readonly, "READONLY", cluster),
        (here.readwrite, "READWRITE", cluster),
        (lambda: here.execute_command("ASKING"), "ASKING", cluster),
        (here.sentinel_masters, "SENTINEL", cluster),
        (lambda: here.swapdb(0, 1), "SWAPDB", "there is one, 0"),
        (lambda: here.migrate("127.0.0.1", 1, "k", 0, 1), "MIGRATE", serialized),
        (lambda: here.dump("k"), "DUMP", serialized),
        (lambda: here.restore("k", 0, b"x"), "RESTORE", serialized),
        (lambda: here.sort("k"), "SORT", "sorts of lists and sets"),
        (lambda: here.incr("k"), "INCRBY", "counters"),
        (lambda: here.hset("k", "f", "v"), "HSET", "hashes"),
        (lambda: here.publish("k", "v"), "PUBLISH", "pub/sub"),
        (lambda: here.waitaof(0, 0, 0), "WAITAOF", "disks"),
    ):
        refused(call, f"'{name}'", group, "not available", "COMMAND LIST")
    nosuch = "unknown command 'NoSuch', with args beginning with: 'a' 'b' "
    refused(lambda: here.execute_command("NoSuch", "a", "b"), nosuch)
    refused(lambda: here.execute_command("CLIENT", "NoSuch"), "'NoSuch'. Try CLIENT HELP.")
    assert here.ping()


def check_commands_say_what_they_are(agents, protocol):
    here = connect(agents[0], protocol, decode_responses=True)
    assert here.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]
    assert here.command_getkeys("GET", "a") == ["a"]
    refused(lambda: here.command_getkeys("PING"), "no key arguments")
    commands = here.command()
    assert len(commands) == here.command_count()
    get, mset = commands["get"], commands["mset"]
    assert set(get["acl_categories"]) == {"@read", "@string", "@fast"}, get
    assert set(get["flags"]) == {"readonly", "fast"} and get["arity"] == 2, get
    for command, access, last, step in ((get, "RO", 0, 1), (mset, "OW", -1, 2)):
        (keys,) = map(fields, command["key_specifications"])
        first, which = fields(keys["begin_search"]), fields(keys["find_keys"])
        assert access in keys["flags"], keys
        assert first["type"] == "index" and fields(first["spec"]) == {"index": 1}, keys
        wanted = {"lastkey": last, "keystep": step, "limit": 0}
        assert which["type"] == "range" and fields(which["spec"]) == wanted, keys
    assert commands["ping"]["key_specifications"] == []
    known, unknown = here.execute_command("COMMAND INFO", "get", "nosuch")
    assert known[:2] == ["get", 2] and not unknown, (known, unknown)
    assert {"get", "set"} <= set(here.command_list(category="string"))


def check_commands_have_docs(agents, protocol):
    here = connect(agents[0], protocol, decode_responses=True)
    docs = {name: fields(told) for name, told in fields(here.execute_command("COMMAND DOCS")).items()}
    commands = here.command()
    assert docs.keys() == commands.keys()
    for name, told in docs.items():
        assert told["summary"] and told["since"] and told["group"], (name, told)
        has_words = abs(commands[name]["arity"]) > 1 and not commands[name]["subcommands"]
        assert "arguments" in told or not has_words, (name, told)
    (key,) = map(fields, docs["get"]["arguments"])
    assert (key["name"], key["type"], key["key_spec_index"]) == ("key", "key", 0), key
    parts = list(map(fields, docs["set"]["arguments"]))
    assert [part["name"] for part in parts[:2]] == ["key", "value"], parts
    expiry = next(part for part in parts if part["type"] == "oneof")
    tokens = {fields(part)["token"] for part in expiry["arguments"]}
    assert tokens == {"EX", "PX", "EXAT", "PXAT", "KEEPTTL"}, tokens
    # What is refused is no argument.
    assert "NX" not in str(parts) and "optional" in expiry["flags"], parts


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


def check_text_in_and_out(agents, protocol):
    here = connect(agents[0], protocol, decode_responses=True, client_name="text")
    keys = [f"py/{protocol}/text/{name}" for name in ("ключ", "鍵")]
    assert here.mset({keys[0]: "значение", keys[1]: "値"}) is True
    assert here.mget(*keys, "not there") == ["значение", "値", None]
    assert here.get(keys[0]) == "значение" and here.strlen(keys[0]) == 16
    assert sorted(here.keys(f"py/{protocol}/text/*")) == sorted(keys)
    assert sorted(here.scan_iter(f"py/{protocol}/text/*")) == sorted(keys)
    with here.pipeline(transaction=False) as pipe:
        assert pipe.get(keys[1]).type(keys[1]).echo("é").execute() == ["値", "string", "é"]
    assert here.client_getname() == "text" and here.config_get("save") == {"save": ""}
    assert here.getdel(keys[0]) == "значение" and here.delete(*keys) == 1
    # Bytes that are no text come as they are, and the client says so.
    connect(agents[0], protocol).set(keys[0], b"\xff")
    try:
        here.get(keys[0])
    except UnicodeDecodeError:
        here.delete(keys[0])
    else:
        raise AssertionError("bytes became text")


def check_who_has_just_started_says_so(agents, protocol):
    def start(name, seed, *more):
        return Agent(agents.binary, name, folder, seed, more)

    def ready():
        return ask("GET", agent.url + "/readyz")[0] == 200

    with tempfile.TemporaryDirectory() as folder, socket.socket(type=socket.SOCK_DGRAM) as silent:
        # Alone, with no one to join by.
        with start("again", None) as agent:
            assert connect(agent, protocol).set("k", "v") and ready()
        # To join by a member that never answers.
        silent.bind(("127.0.0.1", 0))
        with start("again", "127.0.0.1:%d" % silent.getsockname()[1], "--loading", "1h") as agent:
            hasty = connect(agent, protocol, retry=Retry(NoBackoff(), 0))
            for call in (lambda: hasty.get("k"), lambda: hasty.set("k", "w"), hasty.ping):
                busy(call)
            assert hasty.echo("x") == b"x" and hasty.info("persistence")["loading"] == 1
            assert not ready() and ask("GET", agent.url + "/healthz")[0] == 200
            with start("other", agent.hello["gossip"]):
                # The client comes back by itself, for a minute.
                patient = connect(agent, protocol, retry=Retry(ConstantBackoff(0.05), 1200))
                assert patient.get("k") == b"v"
                until("it is ready", ready)
                assert hasty.set("k", "w") and hasty.info("persistence")["loading"] == 0
            assert "panicked" not in agent.said(), agent.said()


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
