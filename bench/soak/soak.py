#!/usr/bin/env python3
"""Churn and load on real agents for a long time, and what that costs those that stay.

One thread does everything: forking beside threads is where such scripts hang. See README.md.
"""

import argparse
import asyncio
import re
import signal
import sys

sys.dont_write_bytecode = True  # a checkout stays as it was

from report import Report  # noqa: E402
from run import CannotRun, Soak  # noqa: E402

SHORT = {"time": 25.0, "load": 200, "joiner_every": 1.0, "sample": 2.0, "agree_wait": 8.0}
USUAL = {"time": 3600.0, "load": 3000, "joiner_every": 2.0, "sample": 5.0, "agree_wait": 60.0}


def duration(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 500ms, 20s, 5m or 1h")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match[2]]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add = parser.add_argument
    add("--program", default="target/release/rumormill", metavar="PATH", help="(%(default)s)")
    add("--for", dest="time", type=duration, metavar="TIME", help="how long (1h)")
    add("--short", action="store_true", help="25s, 200 writes/s, a joiner a second; summary only")
    add("--stay", type=int, default=4, metavar="N", help="agents that stay (%(default)s)")
    kinds = ("folder", "memory", "mixed", "none")
    add("--joiner", choices=kinds, default="mixed", help="(%(default)s)")
    add("--joiner-every", type=duration, metavar="TIME", help="(2s)")
    add("--joiner-lives", type=duration, default=2.0, metavar="TIME", help="(2s)")
    add("--load", type=int, metavar="N", help="writes per second in total (3000)")
    add("--connections", type=int, default=8, metavar="N", help="that write (%(default)s)")
    add("--keys", type=int, default=20000, metavar="N", help="that are overwritten (%(default)s)")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="of all agents")
    add("--seed", type=int, default=1, help="of keys, values and choices (%(default)s)")
    add("--sample", type=duration, metavar="TIME", help="between two samples (5s)")
    add("--out", metavar="FILE", help="write the samples as JSON lines")
    add("--keep", action="store_true", help="leave logs and data folders")
    limits = parser.add_argument_group("limits")
    add = limits.add_argument
    add("--report-only", action="store_true", help="do not fail for a limit that is not kept")
    add("--dead-alive", type=int, default=10, metavar="N", help="dead counted alive (%(default)s)")
    add("--ratio", type=float, default=4.0, metavar="X", help="sent, but for repair, to received (%(default)s)")
    add("--passes", type=duration, default=60.0, metavar="TIME", help="per complete pass (60s)")
    add("--agree", type=duration, default=1.0, metavar="TIME", help="after the last write (1s)")
    add("--agree-wait", type=duration, metavar="TIME", help="how long to wait for it (60s)")
    add("--memory", type=float, default=1.3, metavar="X", help="quarters, last / second (1.3)")
    add("--files", type=int, default=20, metavar="N", help="more open files (%(default)s)")
    add("--repeats", type=int, default=10, metavar="N", help="of a warning a minute (%(default)s)")
    add("--doubt", type=int, default=2, metavar="N", help="in itself (%(default)s)")
    options = parser.parse_args()
    for name, value in (SHORT if options.short else USUAL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.quiet = options.short
    if options.stay < 1 or options.connections < 1 or options.keys < 1 or options.load < 0:
        parser.error("--stay, --connections and --keys are at least 1, --load at least 0")
    if min(options.sample, options.joiner_every, options.passes) <= 0:
        parser.error("--sample, --joiner-every and --passes are longer than nothing")
    return options


async def until_signal(soak, got):
    """Runs it; a signal ends it at once, and everything with it."""
    task = asyncio.ensure_future(soak.run())
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):

        def stop(how=how):
            got.append(how)
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(how, stop)
    try:
        await task
    except asyncio.CancelledError:
        pass


def main():
    soak, got, code = Soak(arguments()), [], 1
    try:
        asyncio.run(until_signal(soak, got))
        if got:
            print(f"ended by {got[0].name}", file=sys.stderr)
            code = 128 + got[0]
        else:
            kept = Report(soak).show()
            code = 0 if kept or soak.options.report_only else 1
    except CannotRun as error:
        print(f"soak: {error}", file=sys.stderr)
        code = 2
    finally:
        soak.end(keep=soak.options.keep or code != 0)
    return code


if __name__ == "__main__":
    sys.exit(main())
