"""Processes of `rumormill agent`, and what they answer by HTTP."""

import asyncio
import json
import os
import shutil
import subprocess

PATIENCE = 5.0  # for one answer of an agent
START = 8.0  # for an agent to come up, and for the stayers to find each other


class Agent:
    """A process of `rumormill agent`, in a folder for its log and one for its data."""

    def __init__(self, soak, name, durable, join=None, ports=True):
        self.name = name
        self.data = os.path.join(soak.folder, "data", name) if durable else None
        self.out = os.path.join(soak.folder, "logs", f"{name}.out")
        self.err = os.path.join(soak.folder, "logs", f"{name}.err")
        self.gone = False
        port = "127.0.0.1:0" if ports else "off"
        command = [soak.program, "--format", "json", "agent", "--exit-with-stdin", "--name", name]
        command += ["--gossip", "127.0.0.1:0", "--redis", port, "--http", port]
        command += ["--log", "info", "--log-format", "json"]
        command += ["--data", self.data] if durable else []
        command += ["--join", join] if join else []
        for setting in soak.settings:
            command += ["--set", setting]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("RUMORMILL_", "RUST_LOG"))}
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            # The pipe is never written: it closes when this script ends, however it ends, and
            # the agent ends with it.
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=env
            )
        soak.agents[name] = self

    def ended(self):
        return self.process.poll() is not None

    async def up(self):
        """Waits until it says where it is to be found; false if it ends or stays silent."""
        end = now() + START
        while now() < end and not self.ended():
            with open(self.out, encoding="utf-8") as out:
                line = out.readline()
            if line.endswith("\n"):
                where = json.loads(line)
                self.gossip, self.redis, self.http = (
                    where[port] for port in ("gossip", "redis", "http")
                )
                return True
            await asyncio.sleep(0.02)
        return False

    async def stop(self, how):
        """Sends the signal and waits until the process is gone."""
        self.process.send_signal(how)
        end = now() + PATIENCE
        while not self.ended():
            if now() > end:
                self.process.kill()
            await asyncio.sleep(0.01)
        self.gone = True
        self.process.stdin.close()

    def kill(self):
        if not self.ended():
            self.process.kill()
        self.process.wait()

    def clear(self):
        for file in (self.out, self.err):
            os.unlink(file)
        if self.data:
            shutil.rmtree(self.data, ignore_errors=True)


def now():
    return asyncio.get_running_loop().time()


def host_port(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


async def connect(address):
    return await asyncio.wait_for(asyncio.open_connection(*host_port(address)), PATIENCE)


async def get(address, path):
    """The JSON that an agent answers to GET."""

    async def ask():
        reader, writer = await connect(address)
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise OSError(f"{path}: {head[:40]!r}")
            return json.loads(await reader.read())
        finally:
            writer.close()

    return await asyncio.wait_for(ask(), PATIENCE)


ASK_FAILED = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError)
