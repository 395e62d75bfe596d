"""One run: the agents, the load, the churn and the samples."""

import asyncio
import json
import os
import shutil
import signal
import tempfile

from agents import ASK_FAILED, PATIENCE, START, Agent, get, now
from churn import Churn
from figures import Warnings, sample
from load import Load, Watch


class CannotRun(Exception):
    """Nothing was measured: the program or an agent does not start."""


class Soak:
    def __init__(self, options):
        self.options = options
        self.program = os.path.abspath(options.program)
        self.settings = [
            "ring.interval=20s",
            "ring.reap_after=30s",
            "ring.eager=true",
            *options.set,
        ]
        self.folder = tempfile.mkdtemp(prefix="rumormill-soak-")
        for part in ("logs", "data"):
            os.mkdir(os.path.join(self.folder, part))
        self.agents = {}
        self.samples = []  # a list of samples of stayers for each time
        self.passes = {}  # when each horizon was first seen
        self.failure = None  # of this script itself
        self.stayer_ended = None
        self.agreed = None  # seconds after the last write
        self.out = open(options.out, "w", encoding="utf-8") if options.out else None

    def broken(self, error):
        self.failure = self.failure or error

    def background(self, work):
        task = asyncio.ensure_future(work)
        task.add_done_callback(
            lambda done: done.cancelled() or not done.exception() or self.broken(done.exception())
        )
        return task

    def write_out(self, value):
        if self.out:
            self.out.write(json.dumps(value) + "\n")
            self.out.flush()

    async def run(self):
        await self.start()
        self.write_out({"options": vars(self.options), "settings": self.settings})
        self.churn, self.watch = Churn(self), Watch()
        self.load = Load(self.options, self.stayers)
        self.warnings = {agent.name: Warnings(agent.err) for agent in self.stayers}
        self.begun = now()
        await self.take_samples()
        tasks = [self.background(self.watch.follow(self.stayers[-1].http))]
        if self.options.joiner != "none":
            tasks.append(self.background(self.churn.go_on()))
        writing = [self.background(connection) for connection in self.load.connections]
        await self.sample_until(self.begun + self.options.time)
        self.load.over = True
        if writing and not self.stayer_ended:
            await asyncio.wait(writing, timeout=PATIENCE)
        self.lasted = now() - self.begun
        # Others come and go while the stayers agree: that is when it has to work.
        if not self.stayer_ended:
            await self.agree()
            await self.take_samples()
        for task in tasks + writing + list(self.churn.lives):
            task.cancel()

    async def start(self):
        self.stayers = []
        for number in range(1, self.options.stay + 1):
            join = self.stayers[0].gossip if self.stayers else None
            try:
                agent = Agent(self, f"stay-{number}", True, join)
            except OSError as error:
                raise CannotRun(f"{self.program}: {error.strerror}") from error
            if not await agent.up():
                raise CannotRun(f"{agent.name} does not come up: see its log")
            self.stayers.append(agent)
        end = now() + START
        while True:
            found = [await get(agent.http, "/v1/status") for agent in self.stayers]
            if all(status["members"]["alive"] == len(self.stayers) for status in found):
                return
            if now() > end:
                raise CannotRun(f"the stayers did not find each other within {START:.0f} s")
            await asyncio.sleep(0.05)

    async def sample_until(self, end):
        told = now()
        while not self.failure and not self.stayer_ended and now() < end:
            await asyncio.sleep(min(self.options.sample, max(0.0, end - now())))
            await self.take_samples()
            if not self.options.quiet and now() - told >= 60:
                told = now()
                self.tell_progress()
        if self.failure:
            raise self.failure

    async def take_samples(self):
        for agent in self.stayers:
            if agent.ended():
                code = agent.process.returncode
                self.stayer_ended = f"{agent.name} ended by itself, exit code {code}"
                return
        t = round(now() - self.begun, 2)
        taken = await asyncio.gather(
            *(sample(self, agent, self.warnings[agent.name], t) for agent in self.stayers)
        )
        for one in taken:
            if one.get("horizon_ms"):
                self.passes.setdefault(one["horizon_ms"], one["t"])
            self.write_out(one)
        self.write_out(
            {
                "t": t,
                "name": "load",
                "acknowledged": self.load.acknowledged,
                "errors": dict(self.load.errors),
                "watched": dict(self.watch.events),
                "joiners": self.churn.started,
                "passes": len(self.passes),
            }
        )
        self.samples.append(taken)

    async def agree(self):
        last = self.load.last or now()
        while now() < last + self.options.agree_wait:
            try:
                found = await asyncio.gather(
                    *(get(agent.http, "/v1/status") for agent in self.stayers)
                )
                if len({status["digest"] for status in found}) == 1:
                    self.agreed = now() - last
                    return
            except ASK_FAILED:
                pass  # asked again, until the time is up
            await asyncio.sleep(0.02)

    def tell_progress(self):
        good = [one for one in self.samples[-1] if "error" not in one]
        most = lambda figure: max((one[figure] for one in good), default=0)
        print(
            f"{self.samples[-1][0]['t']:.0f} s: {self.load.acknowledged} writes, "
            f"{self.churn.started} joiners, {most('dead_alive')} dead counted alive, "
            f"{len(self.passes)} passes, {most('memory') / 1e6:.0f} MB",
            flush=True,
        )

    def end(self, keep):
        """Ends every process; the logs stay if they are wanted."""
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(how, signal.SIG_IGN)
        for agent in self.agents.values():
            if not agent.gone:
                agent.kill()
        if self.out:
            self.out.close()
        if not self.options.keep:
            shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)
        if keep and self.agents:
            print(f"the logs are in {os.path.join(self.folder, 'logs')}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
