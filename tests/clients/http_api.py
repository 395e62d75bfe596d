"""The HTTP API by urllib and curl."""

import http.client
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from cluster import PATIENCE, collect, until


def checks():
    return collect(sys.modules[__name__])


def ask(method, url, body=None, headers=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def refused(answer, status, *parts):
    got, headers, body = answer
    assert got == status, f"{got}: {body}"
    assert headers["content-type"] == "application/json", headers["content-type"]
    message = json.loads(body)["error"]
    for part in parts:
        assert part in message, message


def check_written_at_one_read_at_another(agents):
    here, there = (agents[n].url + "/v1/kv/http/greeting" for n in (0, 2))
    status, headers, _ = ask("PUT", here, b"hello \xff")
    assert status == 200 and headers["x-rumormill-origin"] == agents[0].hello["id"]
    until("it is heard", lambda: ask("GET", there)[0] == 200)
    status, again, body = ask("GET", there)
    assert body == b"hello \xff" and again["x-rumormill-stamp"] == headers["x-rumormill-stamp"]
    assert ask("DELETE", there)[0] == 200
    until("the delete is heard", lambda: ask("GET", here)[0] == 404)
    refused(ask("DELETE", here), 404, "there is no key")


def check_time_to_live(agents):
    here, there = (agents[n].url + "/v1/kv/http/ttl" for n in (1, 2))
    assert ask("PUT", here + "?ttl=10m", b"x")[0] == 200
    until("it is heard", lambda: ask("GET", there)[0] == 200)
    assert int(ask("GET", there)[1]["x-rumormill-expires-at"]) > 0
    assert ask("PUT", here + "?ttl=100ms", b"x")[0] == 200
    until("it has expired everywhere", lambda: ask("GET", here)[0] == ask("GET", there)[0] == 404)


def check_lists_and_bulk(agents):
    lines = "".join(json.dumps({"key": f"http/bulk/{n:03}", "value": str(n)}) + "\n" for n in range(250))
    status, _, body = ask("POST", agents[0].url + "/v1/kv", lines.encode())
    assert (status, json.loads(body)) == (200, {"written": 250})
    agents.agree()
    url, after, keys = agents[1].url + "/v1/kv?prefix=http/bulk/&limit=100", "", []
    while after is not None:
        page = json.loads(ask("GET", url + (f"&after={after}" if after else ""))[2])
        keys += [entry["key"] for entry in page["entries"]]
        after = page["next"]
    assert keys == [f"http/bulk/{n:03}" for n in range(250)]


def check_a_watch_sees_what_is_written_elsewhere(agents):
    request = urllib.request.urlopen(agents[2].url + "/v1/watch?prefix=http/watched", timeout=PATIENCE)
    seen = []

    def listen():
        for line in request:
            if line.startswith(b"data:"):
                seen.append(json.loads(line[5:]))
                if len(seen) == 2:
                    return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    url = agents[0].url + "/v1/kv/http/watched/key"
    assert ask("PUT", url, b"1")[0] == 200
    until("the write is seen", lambda: len(seen) == 1)
    assert ask("DELETE", url)[0] == 200
    thread.join(PATIENCE)
    request.close()
    assert [event.get("value") for event in seen] == ["1", None], seen
    assert all(event["origin"] == agents[0].hello["id"] and event["stamp"] for event in seen)


def check_status_members_metrics_health(agents):
    for agent in agents.agents:
        status = agent.status()
        for field in ("name", "id", "gossip", "redis", "http", "cluster"):
            assert status[field] == agent.hello[field], field
        assert status["members"]["alive"] == 3 and len(status["digest"]) == 32
        assert status["traffic"]["received_bytes"] > 0
        members = json.loads(ask("GET", agent.url + "/v1/members")[2])["members"]
        assert {member["name"] for member in members} == {"node0", "node1", "node2"}
        metrics = ask("GET", agent.url + "/metrics")[2].decode()
        assert metrics.endswith("# EOF\n") and "rumormill_entries" in metrics
        assert ask("GET", agent.url + "/healthz")[0] == ask("GET", agent.url + "/readyz")[0] == 200


def check_refusals_say_what_to_do(agents):
    url = agents[0].url
    refused(ask("GET", url + "/nowhere"), 404, "/v1")
    refused(ask("POST", url + "/v1/status", b""), 405, "GET")
    refused(ask("PUT", url + "/v1/kv/big", b"x" * 1048577), 413, "1048576")
    refused(ask("PUT", url + "/v1/kv/x?ttl=soon", b"x"), 400, "ttl")
    refused(ask("PUT", url + "/v1/kv/x", b"x", {"If-None-Match": "*"}), 501, "consensus")
    refused(ask("GET", url + "/v1/status", headers={"Host": "evil.example"}), 403, "http_hosts")


def check_writes_wait_for_members(agents):
    here, there = (agents[n].url + "/v1/kv/http/waited" for n in (0, 1))
    for wait, least in (("all", 3), ("0.5", 2), ("2", 2)):
        status, _, body = ask("PUT", f"{here}?wait={wait}&wait_timeout=60s", wait.encode())
        answer = json.loads(body)
        assert status == 200 and answer["of"] == 3 and answer["held"] >= least, body
    until("it is heard", lambda: ask("GET", there)[2] == b"2")
    # More than there are: at once, since the patience of this client is shorter than the wait.
    for wait in ("4", "99"):
        answer = ask("PUT", f"{here}?wait={wait}&wait_timeout=600s", b"never")
        refused(answer, 409, "nothing was written")
        assert json.loads(answer[2])["of"] == 3 and ask("GET", here)[2] == b"2"
    coverage = json.loads(ask("GET", agents[2].url + "/v1/coverage/http/waited?timeout=60s")[2])
    assert coverage["held"] == coverage["of"] == 3 and coverage["members_without"] == [], coverage


def check_reads_bound_their_staleness(agents):
    url = agents[1].url + "/v1/kv/http/fresh"
    assert ask("PUT", url + "?wait=all&wait_timeout=60s", b"v")[0] == 200
    fresh = until("it is fresh", lambda: (a := ask("GET", url + "?max_staleness=5s"))[0] == 200 and a)
    assert fresh[2] == b"v" and int(fresh[1]["x-rumormill-staleness-ms"]) <= 5000
    refused(ask("GET", url + "?max_staleness=1ms"), 400, "at least")


def check_what_is_unchanged_is_not_sent_again(agents):
    path = "/v1/kv/http/unchanged"
    assert ask("PUT", agents[0].url + path, b"hello")[0] == 200
    etag = ask("GET", agents[0].url + path)[1]["etag"]
    link = http.client.HTTPConnection(agents[0].hello["http"], timeout=PATIENCE)
    link.connect()
    # No second one behind our back: what follows an answer shows where that has ended.
    link.auto_open = 0

    def over_one_connection(method, given):
        link.request(method, path, headers={"If-None-Match": given})
        answer = link.getresponse()
        return answer.status, answer.headers["content-length"], answer.read()

    for given in (etag, f'"other", {etag}', "*"):
        for method in ("HEAD", "GET"):
            status, length, body = over_one_connection(method, given)
            # The length, if it is told, is that of the value: 0 would be a lie.
            assert (status, body) == (304, b"") and length in (None, "5"), (method, given, length)
    assert over_one_connection("HEAD", '"other"') == (200, "5", b"")
    assert over_one_connection("GET", '"other"') == (200, "5", b"hello")
    link.close()


def check_curl(agents):
    def curl(*words):
        done = subprocess.run(["curl", "-sS", "--max-time", "60", *words], capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    key = "/v1/kv/http/curl"
    value = bytes(range(256)) * 2000
    said = curl(
        "-X", "PUT", "--data-binary", "hello", agents[0].url + key + "?ttl=10m&wait=all&wait_timeout=60s"
    )
    assert json.loads(said)["held"] == 3, said
    until("it is heard", lambda: curl(agents[1].url + key) == b"hello")
    done = subprocess.run(
        ["curl", "-sS", "-T", "-", agents[1].url + key], input=value, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    for n in (0, 2):
        until("the upload is heard", lambda: curl(agents[n].url + key) == value)
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", agents[2].url + key) == b"200"
