"""The same clients over TLS: redis-cli, redis-py, curl and a browser."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

import redis
from browser import page, text_of
from cluster import Agent, collect, until


def checks():
    return collect(sys.modules[__name__])


def run(*words, code=0):
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert code is None or done.returncode == code, (words, said)
    return said


class Papers:
    """An authority, and what it signs, in a folder; as docs/operations.md tells."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = self.path("ca.pem")
        run(*self.new("req", "-x509", "-days", "30"), "-subj", "/CN=tests",
            "-keyout", self.path("ca.key"), "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def new(*words):
        words = ["openssl", *words, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        return [*words, "-nodes"]

    def sign(self, name):
        """Paths of a certificate for this machine and of its key."""
        cert, key, request = (self.path(f"{name}.{end}") for end in ("pem", "key", "csr"))
        run(*self.new("req"), "-subj", f"/CN={name}", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
            self.path("ca.key"), "-days", "30", "-copy_extensions", "copy", "-out", cert)
        os.chmod(key, 0o600)
        return cert, key


@contextlib.contextmanager
def sealed(agents, *, certificates=False):
    """An agent of the cluster whose ports speak TLS."""
    folder = tempfile.mkdtemp(prefix="rumormill-tls-")
    agent = None
    try:
        papers = Papers(folder)
        cert, key = papers.sign("server")
        more = ["--tls-cert", cert, "--tls-key", key]
        if certificates:
            more += ["--tls-client-ca", papers.ca]
        agent = Agent(agents.binary, "sealed", folder, None, more)
        yield agent, papers
        assert agent.process.poll() is None and "panicked" not in agent.said(), agent.said()
    finally:
        if agent:
            agent.stop()
        shutil.rmtree(folder, ignore_errors=True)


def check_redis_cli(agents):
    with sealed(agents) as (agent, papers):
        host, port = agent.redis
        cli = ["redis-cli", "-h", host, "-p", str(port)]
        tls = [*cli, "--tls", "--cacert", papers.ca]
        assert run(*tls, "SET", "a", "hello") == "OK\n"
        assert run(*tls, "-3", "GET", "a") == "hello\n"
        assert "this port speaks TLS only" in run(*cli, "PING", code=None)
        refused = run(*cli, "--tls", "PING", code=None)
        assert "certificate verify failed" in refused, refused


def check_redis_benchmark(agents):
    with sealed(agents) as (agent, papers):
        host, port = agent.redis
        said = run("redis-benchmark", "-h", host, "-p", str(port), "--tls", "--cacert", papers.ca,
                   "-q", "-n", "3000", "-P", "16", "-t", "set,get")
        assert "requests per second" in said, said


def check_redis_py(agents):
    with sealed(agents) as (agent, papers):
        host, port = agent.redis
        for protocol in (2, 3):
            client = redis.Redis(host, port, protocol=protocol, socket_timeout=60, ssl=True,
                                 ssl_ca_certs=papers.ca)
            value = bytes(range(256)) * 3000
            assert client.set("py", value) and client.get("py") == value
            with client.pipeline(transaction=False) as pipe:
                for n in range(2000):
                    pipe.set(f"py/{n}", n)
                assert pipe.execute() == [True] * 2000
            assert len(list(client.scan_iter("py/*"))) == 2000


def check_certificates_of_clients(agents):
    with sealed(agents, certificates=True) as (agent, papers):
        host, port = agent.redis
        cert, key = papers.sign("client")
        tls = ["redis-cli", "-h", host, "-p", str(port), "--tls", "--cacert", papers.ca]
        assert run(*tls, "--cert", cert, "--key", key, "PING") == "PONG\n"
        assert "PONG" not in run(*tls, "PING", code=None)
        curl = ["curl", "-sS", "--max-time", "60", "--cacert", papers.ca, agent.url + "/healthz"]
        assert run(*curl, "--cert", cert, "--key", key) == '{"ok":true}'
        assert "certificate required" in run(*curl, code=None)


def check_curl(agents):
    with sealed(agents) as (agent, papers):
        curl = ["curl", "-sS", "--max-time", "60", "--cacert", papers.ca]
        run(*curl, "-X", "PUT", "--data-binary", "hello", agent.url + "/v1/kv/a")
        assert run(*curl, agent.url + "/v1/kv/a") == "hello"
        assert run(*curl, "--tls-max", "1.2", agent.url + "/v1/kv/a") == "hello"
        run("curl", "-sS", agent.url + "/healthz", code=60)
        plain = run("curl", "-sS", agent.url.replace("https://", "http://") + "/healthz")
        assert "this port speaks HTTPS only" in plain, plain


def check_the_page_works_over_https(agents):
    with sealed(agents) as (agent, papers):
        curl = ["curl", "-sS", "--cacert", papers.ca, "-X", "PUT", "--data-binary", "x"]
        run(*curl, agent.url + "/v1/kv/over%20https")

        def loaded():
            # The browser has no way to be given an authority for one run.
            dom, console = page(agent.url + "/", "--ignore-certificate-errors")
            return (dom, console) if "over https" in text_of(dom, "list") else None

        dom, console = until("the page shows the key", loaded)
        assert text_of(dom, "name") == "sealed" and text_of(dom, "live-text") == "live", dom
        assert not console, console
