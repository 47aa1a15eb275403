"""report.py - from medians to Markdown and a chart."""
import os
import shutil
import subprocess

REFERENCE = "raw"       # the peer that ratios are told to

TABLES = [
    ("Round trip of 64 bytes",
     ("trip", "trip-p99", "pinned", "busy", "poll")),
    ("One way",
     ("oneway-64", "oneway-4K", "oneway-64K", "oneway-1M", "oneway-16M")),
    ("Fan-out of 64 bytes, start and memory",
     ("fan-2", "fan-8", "start-0", "start-256", "memory")),
]
POOL_REFERENCE = "zmq"
POOL_TABLE = ("Jobs of a pool",
              ("pool-2", "pool-8", "futures-2", "futures-8", "map-2"))


def figure(x):
    if x >= 1000:
        return "%.0f" % x
    return "%.3g" % x


def ratio_of(work, ours, reference):
    if not ours or not reference:
        return None
    return reference / ours if work.less else ours / reference


def table(title, keys, peers, works, medians, reference=REFERENCE):
    columns = [w for k in keys for w in works if w.key == k]
    lines = ["### " + title, "",
             "| | " + " | ".join("%s, %s" % (w.title, w.unit)
                                 for w in columns) + " |",
             "| --- |" + " ---: |" * len(columns)]
    for peer in peers:
        cells = []
        for w in columns:
            value = medians.get((peer.key, w.key))
            ratio = ratio_of(w, value, medians.get((reference, w.key)))
            if value is None:
                cells.append("-")
            elif ratio is None or peer.key == reference:
                cells.append(figure(value))
            else:
                cells.append("%s (%s)" % (figure(value), figure(ratio)))
        if any(c != "-" for c in cells):
            lines.append("| %s | %s |" % (peer.title, " | ".join(cells)))
    return lines + [""]


def pool_table(peers, works, medians):
    lines = table(*POOL_TABLE, peers, works, medians, POOL_REFERENCE)
    return lines[:2] + ["A number there, its square back; 4,096 jobs under "
                        "way.  In brackets: how many times as good as "
                        "ZeroMQ.", ""] + lines[2:]


def growth_table(peers, works, medians):
    lines = ["### Growth", "", "Nanoseconds a message: of 64 bytes; alone, "
             "without a transport, of two fields.", "",
             "| | 1 | 10 | 100 | 1,000 | 10^4 | 10^5 | 10^6 |",
             "| --- |" + " ---: |" * 7]
    sizes = [10 ** e for e in range(7)]
    for what in ("handlers", "processes", "backlog", "encode", "decode"):
        for peer in peers:
            cells = [medians.get((peer.key, "%s-%d" % (what, n)))
                     for n in sizes]
            if any(c is not None for c in cells):
                lines.append("| %s, %s | %s |" % (
                    what, peer.title,
                    " | ".join("-" if c is None else figure(c)
                               for c in cells)))
    return lines + [""]


GROWTH = {
    "handlers": "a message with %s handlers in place of 1, %s: at most 1.10x",
    "processes": "a message with %s processes in the context in place of 1, "
                 "%s: at most 1.10x",
    "backlog": "a message with %s waiting in place of 1, %s: at most 1.10x",
}


class Targets:
    """Rows of target, measured, met; those that lack a number say so."""

    def __init__(self, medians, facts):
        self.m, self.facts, self.rows = medians, facts, []

    def get(self, peer, work):
        return self.m.get((peer, work))

    def row(self, text, value, met, form="%s"):
        if value is None:
            self.rows.append((text, "-", "not measured"))
        else:
            self.rows.append((text, form % figure(value),
                              "yes" if met(value) else "no"))

    def times(self, text, better, worse, least, form="%sx"):
        """better / worse must be at least `least`."""
        value = better / worse if better and worse else None
        self.row(text, value, lambda v: v >= least, form)

    def at_least(self, text, value, least, unit):
        self.row(text, value, lambda v: v >= least, "%s " + unit)

    def at_most(self, text, value, most, unit):
        self.row(text, value, lambda v: v <= most, "%s " + unit)

    def round_trips(self):
        g = self.get
        ring, bare = g("ring", "trip"), g("bare", "trip")
        self.at_most("round trip, ring: p50 at most 2x the bare ring",
                     ring / bare if ring and bare else None, 2, "x")
        self.times("round trip, ring: at least 100x as fast as ZeroMQ",
                   g("zmq", "trip"), ring, 100)
        socket, raw = g("socket", "trip"), g("raw", "trip")
        self.at_most("round trip, socket: p50 at most 1.10x the raw "
                     "socketpair", socket / raw if socket and raw else None,
                     1.10, "x")
        rivals = [g(p, "trip") for p in ("zmq", "nng", "uv", "python")]
        rivals = [r for r in rivals if r]
        self.times("round trip, socket: faster than ZeroMQ, nng, libuv, "
                   "Python", min(rivals, default=None), socket, 1)
        self.times("round trip on one core, ring: at least 1.2x as fast as "
                   "the raw socketpair", g("raw", "pinned"),
                   g("ring", "pinned"), 1.2)
        self.times("round trips, every core busy, ring: at least 10x the "
                   "raw socketpair", g("ring", "busy"), g("raw", "busy"), 10)
        self.times("round trip, the receiver in its own poll(), ring: at "
                   "least 1.1x as fast as the raw socketpair",
                   g("raw", "poll"), g("ring", "poll"), 1.1)

    def one_way(self):
        g = self.get
        ring = g("ring", "oneway-64")
        socket = g("batch", "oneway-64") or g("socket", "oneway-64")
        self.at_least("one way, 64 B, ring: at least 20 M/s", ring, 20,
                      "M/s")
        self.times("one way, 64 B, ring: at least 6x ZeroMQ", ring,
                   g("zmq", "oneway-64"), 6)
        self.times("one way, 64 B, ring: at least 2.5x OpenMPI", ring,
                   g("mpi", "oneway-64"), 2.5)
        self.at_least("one way, 64 B, socket: at least 10 M/s", socket, 10,
                      "M/s")
        self.times("one way, 64 B, socket: at least 3x ZeroMQ", socket,
                   g("zmq", "oneway-64"), 3)
        for size, work in (("64 KiB", "oneway-64K"), ("1 MiB", "oneway-1M")):
            self.at_least("one way, %s, ring, copied: at least 20 GB/s" %
                          size, g("ring", work), 20, "GB/s")
            self.at_least("one way, %s, ring, in place: at least 45 GB/s" %
                          size, g("place", work), 45, "GB/s")
        socket = g("socket", "oneway-1M")
        self.at_least("one way, 1 MiB, socket: at least 7 GB/s", socket, 7,
                      "GB/s")
        for peer, name in (("zmq", "ZeroMQ"), ("uv", "libuv")):
            self.times("one way, 1 MiB, socket: at least 2x " + name, socket,
                       g(peer, "oneway-1M"), 2)

    def codec(self):
        for rows in ("1", "1000"):
            of = "a table of " + ("1 row" if rows == "1" else "1,000 rows")
            self.at_most("encode a small message, %s: at most 10 ns" % of,
                         self.get("codec", "encode-" + rows), 10, "ns")
            self.at_most("scan, decode, check, dispatch a small message, %s: "
                         "at most 25 ns" % of,
                         self.get("codec", "decode-" + rows), 25, "ns")

    def processes(self):
        g = self.get
        self.times("start-ping-stop by fork: at least 0.85x the raw fork",
                   g("fork", "start-0"), g("raw", "start-0"), 0.85)
        for mib in ("0", "256"):
            self.at_least("start-ping-stop by fork server, parent of %s MiB: "
                          "at least 2,000/s" % mib,
                          g("forkserver", "start-" + mib), 2000, "/s")
        self.at_most("memory of an idle backend, socket: at most 80 KiB",
                     g("socket", "memory"), 80, "KiB")
        self.at_most("memory of an idle backend, ring: at most 120 KiB",
                     g("ring", "memory"), 120, "KiB")
        for peer in ("socket", "ring"):
            for work, side in (("idle", "backend"),
                               ("idle-front", "frontend")):
                self.at_most("idle %s, %s: no wake-up in %g s" % (
                    side, peer, self.facts["idle"]), g(peer, work), 0,
                    "wake-ups")

    def pools(self):
        g = self.get    # sockets: with .batch, as jobs of nothing want it
        for peer, least in (("ring", 5), ("batch", 1.5)):
            jobs = g(peer, "futures-2")
            self.at_least("pool, 2 workers, futures, %s: at least %g M/s" %
                          (peer, least), jobs / 1e3 if jobs else None, least,
                          "M/s")
            self.times("pool, 2 workers, futures, %s: at least 3x ZeroMQ" %
                       peer, jobs, g("zmq", "pool-2"), 3)
            self.times("pool, 2 workers, futures, %s: at least 200x Python's "
                       "ProcessPoolExecutor" % peer, jobs,
                       g("executor", "futures-2"), 200)
            self.times("map over an array, %s: at least 2x Python's Pool.map"
                       % peer, g(peer, "map-2"), g("pypool", "map-2"), 2)

    def growth(self):
        for peer in ("socket", "ring"):
            for what in ("handlers", "processes", "backlog"):
                sizes = sorted(int(w.rsplit("-", 1)[1]) for p, w in self.m
                               if p == peer and w.startswith(what + "-"))
                value, last = None, sizes[-1] if sizes else 1000
                if len(sizes) > 1:
                    value = self.get(peer, "%s-%d" % (what, last)) / \
                        self.get(peer, "%s-%d" % (what, sizes[0]))
                self.at_most(GROWTH[what] % (format(last, ","), peer),
                             value, 1.10, "x")

    def lines(self):
        self.round_trips()
        self.one_way()
        self.codec()
        self.processes()
        self.pools()
        self.growth()
        return (["### Targets", "", "| target | measured | met |",
                 "| --- | ---: | --- |"] +
                ["| %s | %s | %s |" % row for row in self.rows] + [""])


CHARTS = [("trip", "round trip, us (less is better)"),
          ("oneway-64", "one way, 64 B, M/s"),
          ("oneway-1M", "one way, 1 MiB, GB/s")]


def chart(path, peers, medians):
    """Returns a note when there is no chart."""
    script = ["set terminal svg size 1080,430 font 'sans-serif,11' "
              "background rgb 'white'", "set output '%s'" % path,
              "set multiplot layout 1,3", "set style fill solid 0.85",
              "set boxwidth 0.7", "set logscale y", "unset key",
              "set xtics rotate by 45 right nomirror", "set grid ytics",
              "set bmargin 9", "set rmargin 7"]
    for work, title in CHARTS:
        rows = [(p, medians[p.key, work]) for p in peers
                if medians.get((p.key, work))]
        if not rows:
            continue
        script += ["set title '%s'" % title,
                   "set yrange [%g:%g]" % (min(v for _, v in rows) / 2,
                                           max(v for _, v in rows) * 2),
                   "plot '-' using 1:2:3:xtic(4) with boxes lc rgb variable"]
        for i, (peer, value) in enumerate(rows):
            colour = 0x1b6ca8 if peer.title.startswith("mproc") else 0xa0a0a0
            script.append('%d %g %d "%s"' % (i, value, colour,
                                             peer.title.split(" multi")[0]))
        script.append("e")
    if shutil.which("gnuplot") is None:
        return "no chart: gnuplot is not installed"
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n",
                          text=True, capture_output=True)
    if done.returncode != 0:
        return "no chart: " + done.stderr.strip()
    return None


def write_report(out, peers, works, medians, notes, facts):
    """Write bench.md and bench.svg into out; returns the Markdown."""
    why = chart(os.path.join(out, "bench.svg"), peers, medians)
    if why:
        notes = notes + [why]
    lines = ["# mproc and its peers", "",
             "Made by `./dev bench`; [performance.md](performance.md) says "
             "what each work is.", "",
             "Medians of %d rounds, all peers in turns, %g s for each; in "
             "brackets how many times as good as the raw socketpair in the "
             "same run.  %s.  Load of the machine in the last quarter of an "
             "hour: %.1f." % (
                 facts["rounds"], facts["seconds"], facts["machine"],
                 facts["load"]), "",
             "![round trip, one way at 64 bytes and 1 MiB](bench.svg)", ""]
    for title, keys in TABLES:
        lines += table(title, keys, peers, works, medians)
    lines += pool_table(peers, works, medians)
    lines += growth_table(peers, works, medians)
    lines += Targets(medians, facts).lines()
    if notes:
        lines += ["### Notes", ""] + ["- " + n for n in notes] + [""]
    text = "\n".join(lines)
    with open(os.path.join(out, "bench.md"), "w") as f:
        f.write(text)
    return text
