"""redis-cli and redis-benchmark as they come from the distribution."""

import csv
import io
import subprocess
import sys

from cluster import collect, until


def checks():
    return collect(sys.modules[__name__])


def tool(name, agent, *words, stdin=b"", timeout=60):
    host, port = agent.redis
    done = subprocess.run(
        [name, "-h", host, "-p", str(port), *words],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.decode()


def cli(agent, *words, **options):
    return tool("redis-cli", agent, *words, **options)


def check_redis_cli_writes_at_one_and_reads_at_another(agents):
    for protocol in ((), ("-3",)):
        assert cli(agents[0], *protocol, "SET", "cli/greeting", "hello") == "OK\n"
        until("it is heard", lambda: cli(agents[1], "GET", "cli/greeting") == "hello\n")
        assert cli(agents[1], *protocol, "DEL", "cli/greeting") == "1\n"
        until("the delete is heard", lambda: cli(agents[0], "EXISTS", "cli/greeting") == "0\n")


def check_redis_cli_waits_for_the_others(agents):
    said = cli(agents[0], stdin=b"SET cli/waited v\nWAIT 2 60000\n")
    assert said.split() == ["OK", "2"], said
    assert cli(agents[2], "GET", "cli/waited") == "v\n"


def check_redis_cli_mass_insertion(agents):
    lines = "".join(f"SET cli/mass/{n} {n}\r\n" for n in range(5000)).encode()
    said = cli(agents[0], "--pipe", stdin=lines)
    assert "errors: 0, replies: 5000" in said, said
    agents.agree()
    found = cli(agents[2], "--scan", "--pattern", "cli/mass/*").split()
    assert len(found) == 5000 and len(set(found)) == 5000


def check_redis_cli_reads_commands_from_its_input(agents):
    said = cli(agents[0], stdin=b'SET cli/a "x y"\nGET cli/a\nTTL cli/a\nINCRBY\nDEL cli/a\n')
    assert said.startswith("OK\nx y\n-1\n"), said
    assert "1" in said.splitlines()[-1:], said


def check_redis_cli_looks_at_the_server(agents):
    assert cli(agents[0], "PING") == "PONG\n"
    info = cli(agents[0], "INFO")
    assert "redis_version:" in info and "connected_clients:" in info
    assert int(cli(agents[0], "DBSIZE")) >= 0
    docs = cli(agents[0], "COMMAND", "DOCS", "GET").split()
    assert {"get", "summary", "arguments", "key_spec_index"} <= set(docs), docs
    assert cli(agents[0], "COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2").split() == ["a", "b"]
    assert cli(agents[0], "--bigkeys") and cli(agents[0], "--memkeys")
    stat = cli(agents[0], "--latency", "-i", "1", "--raw", timeout=20)
    assert len(stat.split()) >= 3, stat


def check_redis_cli_shows_why_not(agents):
    for words, part in (
        (("SET", "k", "v", "NX"), "consensus"),
        (("MULTI",), "pipeline"),
        (("LPUSH", "k", "v"), "lists"),
        (("SENTINEL", "MASTERS"), "Redis Cluster and Sentinel"),
        (("SORT", "k"), "sorts of lists and sets"),
        (("NOSUCH", "a"), "unknown command 'NOSUCH', with args beginning with: 'a'"),
        (("SELECT", "1"), ""),
    ):
        said = cli(agents[0], *words)
        assert part in said and said.strip(), said
    said = cli(agents[0], stdin=b"MULTI\nSET cli/multi v\nEXEC\nGETDEL cli/multi\n").splitlines()
    assert "consensus" in said[0] and "OK" in said and "v" in said, said
    assert any("one by one" in line for line in said), said


def check_redis_benchmark(agents):
    tests = "ping,set,get,mset"
    for more in (["-P", "1", "-c", "50"], ["-P", "16", "-c", "20", "-3"], ["-d", "10000"]):
        words = ["--csv", "-n", "3000", "-r", "1000", "-t", tests, *more]
        said = tool("redis-benchmark", agents[0], *words, timeout=180)
        rows = list(csv.DictReader(io.StringIO(said[said.index('"test"') :])))
        names = [row["test"] for row in rows]
        assert any(n.startswith("SET") for n in names) and any(n.startswith("MSET") for n in names)
        assert all(float(row["rps"]) > 0 for row in rows), said
        rates = ", ".join(f"{row['test']} {float(row['rps']):,.0f}/s" for row in rows)
        print(f"        redis-benchmark {' '.join(more)}: {rates}")
    agents.agree()
    assert cli(agents[2], "--scan", "--pattern", "key:*").count("\n") == int(
        cli(agents[0], "--scan", "--pattern", "key:*").count("\n")
    )
