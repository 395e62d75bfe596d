"""Agents as processes, one cluster, on free loopback ports."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

PATIENCE = 60.0


def until(what, ask):
    """Polls until the answer is true, and returns it."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {PATIENCE:.0f} s until {what}")
        time.sleep(0.005)


class Agent:
    def __init__(self, binary, name, folder, seed, more=()):
        self.name = name
        self.log = open(os.path.join(folder, f"{name}.log"), "w+", encoding="utf-8")
        command = [binary, "--format", "json", "agent", "--exit-with-stdin", "--name", name]
        command += ["--data", os.path.join(folder, name), "--log", "warn"]
        for port in ("gossip", "redis", "http"):
            command += [f"--{port}", "127.0.0.1:0"]
        if seed:
            command += ["--join", seed]
        command += more
        env = {key: value for key, value in os.environ.items() if not key.startswith("RUMORMILL_")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=env
        )
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{name} did not start: {self.said()}")
        self.hello = json.loads(line)
        self.url = ("https://" if self.hello["http_tls"] else "http://") + self.hello["http"]
        host, port = self.hello["redis"].rsplit(":", 1)
        self.redis = (host, int(port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def said(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def status(self):
        with urllib.request.urlopen(self.url + "/v1/status", timeout=PATIENCE) as answer:
            return json.load(answer)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Cluster:
    """As many agents, all of which see each other."""

    def __init__(self, binary, count, more=()):
        self.binary = str(binary)
        self.folder = tempfile.mkdtemp(prefix="rumormill-clients-")
        self.agents = []
        try:
            for number in range(count):
                seed = self.agents[0].hello["gossip"] if self.agents else None
                self.agents.append(Agent(self.binary, f"node{number}", self.folder, seed, more))
            for agent in self.agents:
                until("all see all", lambda: agent.status()["members"]["alive"] == count)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self.agents:
            agent.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __getitem__(self, index):
        return self.agents[index]

    def agree(self):
        """Waits until all hold the same."""
        until("all agree", lambda: len({agent.status()["digest"] for agent in self.agents}) == 1)

    def trouble(self):
        """What no agent may say or do."""
        found = [a.name for a in self.agents if a.process.poll() is not None]
        found += [agent.said() for agent in self.agents if "panicked" in agent.said()]
        return "\n".join(found)


def collect(module):
    """The checks of a module: its functions that begin with `check_`, in their order."""
    for name, function in list(vars(module).items()):
        if name.startswith("check_"):
            yield name.removeprefix("check_").replace("_", " "), function
