"""What the samples come to, and whether that is within the limits."""

import collections
import statistics

SETTLED = 120.0  # shorter runs say nothing about memory: buffers and caches are still filling
FIRST_MINUTE = 60.0  # passes count from here: the first one waits for its founders


class Report:
    """The table, and a line for each limit."""

    def __init__(self, soak):
        self.soak, self.options = soak, soak.options
        rows = [[one for one in row if "error" not in one] for row in soak.samples]
        self.unanswered = sum(map(len, soak.samples)) - sum(map(len, rows))
        self.rows = [row for row in rows if row]
        self.of = {agent.name: [] for agent in soak.stayers}
        for row in self.rows:
            for one in row:
                self.of[one["name"]].append(one)

    def worst(self, figure):
        """The greatest of the stayers, and which; (None, "-") where there is nothing to go by."""
        each = [(figure(found), name) for name, found in self.of.items() if found]
        return max((one for one in each if one[0] is not None), default=(None, "-"))

    def quarters(self, figure, compare):
        """The greatest of the stayers in comparing the medians of the second and of the last
        quarter of the time under load."""
        end = self.soak.lasted

        def of_stayer(found):
            second = [one[figure] for one in found if end / 4 <= one["t"] < end / 2]
            last = [one[figure] for one in found if end * 3 / 4 <= one["t"] <= end + 1]
            if second and last:
                return compare(statistics.median(last), statistics.median(second))
            return None

        return self.worst(of_stayer)

    def checks(self):
        """(name, met or None where the run says nothing about it, words)."""
        yield from self.checks_of_run()
        options = self.options
        yield at_most(
            "dead counted alive",
            self.worst(lambda found: max(one["dead_alive"] for one in found)),
            options.dead_alive,
        )
        yield at_most(
            "sent / received",
            self.worst(
                lambda found: (found[-1]["sent"] - found[-1]["repair"])
                / max(1, found[-1]["received"])
            ),
            options.ratio,
        )
        yield self.check_of_passes()
        agreed = self.soak.agreed
        if self.soak.stayer_ended:
            yield "agree", None, "not all stayers are left"
        elif agreed is None:
            yield "agree", False, f"not within {options.agree_wait:g} s of the last write"
        else:
            words = f"{agreed:.2f} s after the last write, limit {options.agree:g} s"
            yield "agree", agreed <= options.agree, words
        if self.soak.lasted >= SETTLED:
            two = self.quarters("memory", lambda last, second: last / second)
            yield at_most("memory, last quarter / second", two, options.memory)
        else:
            yield "memory, last quarter / second", None, f"the run is under {SETTLED:.0f} s"
        two = self.quarters("files", lambda last, second: last - second)
        if two[0] is None:
            yield "open files, last quarter - second", None, "too few samples"
        else:
            yield at_most("open files, last quarter - second", two, options.files)
        most, kind, who = self.most_repeated()
        name, met, words = at_most("same warning in a minute", (most, who), options.repeats)
        yield name, met, words + (f": {kind[:100]}" if kind else "")
        yield at_most(
            "doubt", self.worst(lambda found: max(one["doubt"] for one in found)), options.doubt
        )

    def checks_of_run(self):
        """Without these the rest means little."""
        soak = self.soak
        yield "stayers run", not soak.stayer_ended, soak.stayer_ended or "to the end"
        yield "answers", self.unanswered == 0, f"{self.unanswered} samples without an answer"
        failed = soak.churn.failed
        words = f"{len(failed)} of {soak.churn.started} failed"
        yield "joiners run", not failed, ": ".join([words, *failed[:1]])
        events = sum(soak.watch.events.values())
        met = events > 0 and soak.watch.breaks == 0
        words = f"{events} events, {soak.watch.breaks} breaks"
        yield "watch", met if self.options.load else None, words

    def check_of_passes(self):
        lasted, each = self.soak.lasted, self.options.passes
        wanted = int((lasted - FIRST_MINUTE) / each)
        if wanted < 1:
            return "passes", None, f"the run is under {FIRST_MINUTE + each:.0f} s"
        after = sum(FIRST_MINUTE < at <= lasted + 1 for at in self.soak.passes.values())
        words = f"{after} after the first minute, at least {wanted} wanted"
        return "passes", after >= wanted, words

    def most_repeated(self):
        each = [
            (most, kind, name)
            for name, warnings in self.soak.warnings.items()
            for kind, most in warnings.most.items()
        ]
        return max(each, default=(0, "", "all"))

    def series(self, figure, per_second=False):
        """The greatest of the stayers at each time."""
        if not per_second:
            return [max(one[figure] for one in row) for row in self.rows]
        rates = collections.defaultdict(list)
        for found in self.of.values():
            for before, after in zip(found, found[1:]):
                took = after["t"] - before["t"]
                if took > 0.5:  # the last two may be so close that they say nothing
                    rates[after["t"]].append((after[figure] - before[figure]) / took)
        return [max(rates[at]) for at in sorted(rates)]

    def table(self):
        plain = lambda value: f"{value:.0f}"
        mega, kilo = (lambda value: f"{value / 1e6:.1f}"), (lambda value: f"{value / 1e3:.1f}")
        ratio = [
            max((one["sent"] - one["repair"]) / max(1, one["received"]) for one in row)
            for row in self.rows
        ]
        passes = [sum(at <= row[0]["t"] for at in self.soak.passes.values()) for row in self.rows]
        states = ("alive", "suspect", "dead", "left", "forgotten")
        lines = [("running in truth", plain, self.series("running"))]
        lines += [(f"members {state}", plain, self.series(state)) for state in states]
        lines += [
            ("dead counted alive", plain, self.series("dead_alive")),
            ("doubt", plain, self.series("doubt")),
            ("sent, kB/s", kilo, self.series("sent", per_second=True)),
            ("received, kB/s", kilo, self.series("received", per_second=True)),
            ("sent / received", "{:.2f}".format, ratio),
            ("passes complete", plain, passes),
            ("entries", plain, self.series("entries")),
            ("tombstones", plain, self.series("tombstones")),
            ("warnings logged", plain, self.series("warnings")),
            ("memory, MB", mega, self.series("memory")),
            ("open files", plain, self.series("files")),
            ("CPU, % of a core", lambda value: f"{value * 100:.0f}", self.series("cpu", True)),
            ("data folder, MB", mega, self.series("folder")),
            ("answer, ms", "{:.1f}".format, self.series("answer_ms")),
        ]
        yield f"{'greatest of the stayers':<24}{'first':>10}{'median':>10}{'last':>10}{'most':>10}"
        for name, show, all_of in lines:
            if all_of:
                cells = (all_of[0], statistics.median(all_of), all_of[-1], max(all_of))
                yield f"{name:<24}" + "".join(f"{show(cell):>10}" for cell in cells)

    def summary(self):
        load, churn, lasted = self.soak.load, self.soak.churn, self.soak.lasted
        ended = ", ".join(f"{n} by {how}" for how, n in sorted(churn.ended.items())) or "none"
        yield (
            f"{lasted:.0f} s, {len(self.of)} stayers, seed {self.options.seed}: "
            f"{load.acknowledged} writes acknowledged ({load.acknowledged / lasted:.0f}/s), "
            f"{sum(load.errors.values())} errors; {churn.started} joiners, "
            f"{sum(name.startswith('joiner-') for name in churn.seen)} seen by stayers, "
            f"ended {ended}"
        )
        if load.errors:
            yield f"errors of writes: {dict(load.errors)}"

    def details(self):
        yield from self.table()
        for name, found in self.of.items():
            if found:
                last = found[-1]
                yield (
                    f"{name}: sent {last['sent'] / 1e6:.2f} MB, received "
                    f"{last['received'] / 1e6:.2f} MB, CPU {last['cpu']:.1f} s, "
                    f"{last['warnings']} warnings, {last['passes_given_up']} passes given up"
                )
        total = collections.Counter()
        for warnings in self.soak.warnings.values():
            total.update(warnings.kinds)
        for kind, count in total.most_common(8):
            yield f"warning, {count} times: {kind[:120]}"
        yield f"watch: {dict(self.soak.watch.events)}"

    def show(self):
        """Prints everything; true if all limits were kept."""
        lines = list(self.summary()) + ([] if self.options.quiet else list(self.details()))
        unmet = []
        for name, met, words in self.checks():
            mark = {True: "ok", False: "NOT MET", None: "skipped"}[met]
            lines.append(f"{mark:<10}{name}: {words}")
            unmet += [name] if met is False else []
        lines.append(f"not met: {', '.join(unmet)}" if unmet else "all limits were kept")
        print("\n".join(lines), flush=True)
        return not unmet


def at_most(name, found, limit):
    value, who = found
    if value is None:
        return name, False, "nothing was sampled"
    return name, value <= limit, f"{value:.4g} at {who}, limit {limit:g}"
