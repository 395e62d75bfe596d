"""Agents that join, live for a little and end."""

import asyncio
import collections
import random
import signal

from agents import Agent, now


class Churn:
    """Starts one after the other, and knows what became of each."""

    def __init__(self, soak):
        self.soak = soak
        self.started = 0
        self.ended = collections.Counter()
        self.failed = []
        self.seen = set()
        self.lives = set()

    async def go_on(self):
        options, rng = self.soak.options, random.Random(f"{self.soak.options.seed}/churn")
        due = now()
        while True:
            self.started += 1
            # Folder and memory by turns, and with each of them both signals by turns.
            durable = {"folder": True, "memory": False, "mixed": self.started % 2 == 0}
            turn = self.started // (2 if options.joiner == "mixed" else 1)
            how = signal.SIGKILL if turn % 2 == 0 else signal.SIGTERM
            by = rng.choice(self.soak.stayers)
            name = f"joiner-{self.started}"
            agent = Agent(self.soak, name, durable[options.joiner], by.gossip, ports=False)
            life = asyncio.ensure_future(self.live(agent, how))
            self.lives.add(life)
            life.add_done_callback(self.over)
            due = max(due + options.joiner_every, now())
            await asyncio.sleep(due - now())

    def over(self, life):
        self.lives.discard(life)
        if not life.cancelled() and life.exception():
            self.soak.broken(life.exception())

    async def live(self, agent, how):
        up = await agent.up()
        if up:
            await asyncio.sleep(self.soak.options.joiner_lives)
        if not up or agent.ended():
            code = agent.process.poll()
            what = "never came up" if code is None else f"ended by itself, exit code {code}"
            self.failed.append(f"{agent.name} {what}")
            agent.kill()
            agent.gone = True
            return  # its log stays
        await agent.stop(how)
        self.ended[how.name] += 1
        code = agent.process.returncode
        if how == signal.SIGTERM and code != 0:
            self.failed.append(f"{agent.name} did not stop as it should, exit code {code}")
            return
        # The name stays known: the others may count it alive for a while yet.
        agent.clear()
