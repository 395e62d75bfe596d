"""What a stayer is like at one time: by its status, its log and its process."""

import collections
import datetime
import json
import os
import re

from agents import ASK_FAILED, get, now


class Warnings:
    """Counts the warnings in the log of one agent, by kind, as it grows."""

    def __init__(self, file):
        self.file, self.offset = file, 0
        self.kinds = collections.Counter()
        self.minutes = collections.defaultdict(collections.deque)
        self.most = collections.Counter()  # of one kind within any 60 s

    def read(self):
        with open(self.file, "rb") as log:
            log.seek(self.offset)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]
        self.offset += len(new)
        for line in new.decode(errors="replace").splitlines():
            self.take(line)

    def take(self, line):
        try:
            entry = json.loads(line)
            if entry["level"] not in ("WARN", "ERROR"):
                return
            kind = kind_of(entry["fields"]["message"])
            at = datetime.datetime.strptime(entry["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        except (ValueError, KeyError, TypeError):
            # Not from the log: a panic, say.
            kind, at = kind_of(line), datetime.datetime.now(datetime.timezone.utc)
        at = at.replace(tzinfo=datetime.timezone.utc).timestamp()
        self.kinds[kind] += 1
        minute = self.minutes[kind]
        minute.append(at)
        while minute[0] <= at - 60:
            minute.popleft()
        self.most[kind] = max(self.most[kind], len(minute))


def kind_of(message):
    """A warning without the names and numbers in it, so that the same one is counted as such."""
    kind = re.sub(r"\b(joiner|stay)-\d+\b|\b[0-9a-f]{16,32}\b|\d+(\.\d+){3}(:\d+)?", "X", message)
    kind = re.sub(r"\d+", "N", kind)
    return re.sub(r"X((, | and |; )X)+", "X", kind)


def of_process(pid):
    """Resident memory in bytes, open files, CPU seconds."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        resident = [line.split()[1] for line in status if line.startswith("VmRSS")]
    if not resident:
        raise OSError("the process has ended")
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        # The name is in brackets and may hold spaces; user and system time are the 14th and
        # 15th field.
        fields = stat.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return int(resident[0]) * 1024, len(os.listdir(f"/proc/{pid}/fd")), cpu


def folder_bytes(folder):
    total = 0
    for path, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.stat(os.path.join(path, file)).st_blocks * 512
            except FileNotFoundError:
                pass  # the store has just dropped it
    return total


async def sample(soak, agent, warnings, t):
    """What one stayer is like at the time t of the run."""
    # Taken before asking: who ends meanwhile is not held against the answer.
    gone = {name for name, other in soak.agents.items() if other.gone}
    running = sum(not other.gone for other in soak.agents.values())
    asked = now()
    result = {"t": t, "name": agent.name, "running": running}
    try:
        status = await get(agent.http, "/v1/status")
        answered = now()
        members = (await get(agent.http, "/v1/members?state=alive"))["members"]
        resident, files, cpu = of_process(agent.process.pid)
    except ASK_FAILED as error:
        return {**result, "error": f"{type(error).__name__}: {error}"}
    alive = {member["name"] for member in members}
    soak.churn.seen |= alive
    warnings.read()
    counters, traffic = status["counters"], status["traffic"]
    result.update(status["members"])
    return {
        **result,
        "dead_alive": len(alive & gone),
        "doubt": status["doubt"],
        "sent": traffic["sent_bytes"],
        "received": traffic["received_bytes"],
        # The copies that joiners fetch are repair: they are not what is sent in vain.
        "repair": counters["sent_repair_bytes"],
        "horizon_ms": status["horizon_ms"],
        "passes_ended_here": counters["ring_completed"],
        "passes_given_up": counters["ring_given_up"],
        "entries": status["entries"],
        "tombstones": status["tombstones"],
        "warnings": sum(warnings.kinds.values()),
        "warning_kinds": dict(warnings.kinds),
        "memory": resident,
        "files": files,
        "cpu": cpu,
        "folder": folder_bytes(agent.data),
        "answer_ms": round((answered - asked) * 1000, 1),
        "digest": status["digest"],
    }
