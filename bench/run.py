#!/usr/bin/env python3
"""run.py - the same work over mproc and its peers, in turns.

Each round runs every peer once at each work, in an order that rotates, so
that what else the machine does hits all alike; the medians of the rounds are
compared.  Raw results go to BUILD/bench/results.tsv, the report to
OUT/bench.md and OUT/bench.svg (OUT is BUILD/bench unless given).

ROUNDS (5), SECONDS_EACH (0.2), IDLE (3 seconds) may be set in the
environment.
"""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

from report import write_report

UNSUPPORTED = 77
CORES = sorted(os.sched_getaffinity(0))


class Peer:
    """A program and a variant of it; only: the works it is for."""

    def __init__(self, key, title, program, variant=None, only=None,
                 without=()):
        self.key, self.title, self.program = key, title, program
        self.variant, self.only, self.without = variant, only, without

    def does(self, work):
        return work.key not in self.without and (
            work.only is None or self.key in work.only) and (
            self.only is None or work.key in self.only)


class Work:
    """What is measured: PARAM of a work of peer.h, under a condition."""

    def __init__(self, key, title, unit, run, index=0, scale=1.0, less=False,
                 condition=None, only=None):
        self.key, self.title, self.unit, self.run = key, title, unit, run
        self.index, self.scale, self.less = index, scale, less
        self.condition, self.only = condition, only


SMALL = ("oneway-64", "oneway-4K")
ONEWAY = SMALL + ("oneway-64K", "oneway-1M", "oneway-16M")
START = ("start-0", "start-256")
GROWING = ("ring", "socket")
POOLS = ("ring", "socket", "batch", "zmq", "executor", "pypool")
POOL = ("pool-2", "pool-8", "futures-2", "futures-8", "map-2")
CODEC = ("encode-1", "encode-1000", "decode-1", "decode-1000")

PEERS = [
    Peer("ring", "mproc, ring", "peer_mproc", "ring", without=START),
    Peer("socket", "mproc, socket", "peer_mproc", "socket", without=START),
    Peer("batch", "mproc, socket, batch", "peer_mproc", "socket,batch",
         only=SMALL + ("fan-2", "fan-8") + POOL),
    Peer("place", "mproc, ring, in place", "peer_mproc", "ring,place",
         only=ONEWAY),
    Peer("forkserver", "mproc, by fork server", "peer_mproc", "forkserver",
         only=START),
    Peer("fork", "mproc, by fork", "peer_mproc", "fork", only=START),
    Peer("codec", "mproc, codec alone", "codec", only=CODEC),
    Peer("bare", "bare ring", "peer_ring"),
    Peer("raw", "raw socketpair", "peer_raw"),
    Peer("rawbatch", "raw socketpair, batched", "peer_raw", "batched",
         only=SMALL),
    Peer("mpi", "OpenMPI", "peer_mpi", without=START),
    Peer("zmq", "ZeroMQ", "peer_zmq"),
    Peer("nng", "nng", "peer_nng"),
    Peer("uv", "libuv pipe", "peer_uv"),
    Peer("mq", "POSIX mq", "peer_mq"),
    Peer("python", "Python multiprocessing", "peer_python.py"),
    Peer("pypool", "Python multiprocessing.Pool", "peer_python_pool.py",
         "pool", only=POOL),
    Peer("executor", "Python ProcessPoolExecutor", "peer_python_pool.py",
         "executor", only=POOL),
]

WORKS = [
    Work("trip", "round trip, p50", "us", "trip 64", less=True),
    Work("trip-p99", "round trip, p99", "us", "trip 64", 1, less=True),
    Work("pinned", "both on one core, p50", "us", "trip 64", less=True,
         condition="pinned"),
    Work("busy", "every core busy", "k/s", "trip 64", 2, 1e-3,
         condition="busy"),
    Work("poll", "own poll(), p50", "us", "poll 64", less=True),
    Work("oneway-64", "64 B", "M/s", "oneway 64", 0, 1e-6),
    Work("oneway-4K", "4 KiB", "GB/s", "oneway 4096", 1),
    Work("oneway-64K", "64 KiB", "GB/s", "oneway 65536", 1),
    Work("oneway-1M", "1 MiB", "GB/s", "oneway 1048576", 1),
    Work("oneway-16M", "16 MiB", "GB/s", "oneway 16777216", 1),
    Work("fan-2", "to 2 and back", "k/s", "fan 2", 0, 1e-3),
    Work("fan-8", "to 8 and back", "k/s", "fan 8", 0, 1e-3),
    Work("start-0", "start-ping-stop", "/s", "start 0"),
    Work("start-256", "same, 256 MiB parent", "/s", "start 256"),
    Work("memory", "idle backend, PSS", "KiB", "memory 20", less=True),
    Work("pool-2", "put and get, 2 workers", "k/s", "pool 2", 0, 1e-3,
         only=POOLS),
    Work("pool-8", "same, 8", "k/s", "pool 8", 0, 1e-3, only=POOLS),
    Work("futures-2", "futures, 2 workers", "k/s", "futures 2", 0, 1e-3,
         only=POOLS),
    Work("futures-8", "same, 8", "k/s", "futures 8", 0, 1e-3, only=POOLS),
    Work("map-2", "map, 2 workers", "M/s", "map 2", 0, 1e-6, only=POOLS),
] + [Work(key, key.split("-")[0], "ns", key.replace("-", " "), less=True,
          only=("codec",)) for key in CODEC]


def growth(quick):
    """The works of mproc alone, as its tables, contexts, backlogs grow."""
    top = 100 if quick else 1000
    works = []
    for what, sizes in (("handlers", [1, 10, 100, top]),
                        ("processes", [1, 10, 100, top]),
                        ("backlog", [1, 1000, 10 ** 4, 10 ** 5,
                                     10 ** 4 if quick else 10 ** 6])):
        for n in sorted(set(sizes)):
            works.append(Work("%s-%d" % (what, n), what, "ns",
                              "%s %d" % (what, n), less=True, only=GROWING,
                              index=1 if what == "backlog" else 0))
    return works


class Bench:
    def __init__(self, args):
        self.args = args
        self.values = {}        # (peer, work) -> [number of each round]
        self.notes = []
        self.absent = set()     # (peer, run): not to be tried again
        self.tsv = open(os.path.join(args.build, "bench", "results.tsv"), "w")
        self.tsv.write("round\twork\tpeer\tnumbers\n")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def command(self, peer, work, seconds):
        name, param = work.run.split()
        here = os.path.dirname(os.path.abspath(__file__))
        if peer.program.endswith(".py"):
            command = [sys.executable, os.path.join(here, peer.program)]
        else:
            command = [os.path.join(self.args.build, "bench", peer.program)]
        if peer.program == "peer_mpi":
            if name == "memory":
                param = "4"     # its ranks poll: more would take ages
            ranks = 1 + (int(param) if name in ("fan", "memory") else 1)
            command = ["mpirun", "--oversubscribe", "--bind-to", "none",
                       "--mca", "btl", "self,vader", "-n", str(ranks)] + \
                (["--allow-run-as-root"] if os.getuid() == 0 else [])
            if work.condition == "pinned" or ranks > len(CORES):
                command += ["--mca", "mpi_yield_when_idle", "1"]
            command.append(os.path.join(self.args.build, "bench",
                                        peer.program))
        if work.condition == "pinned":
            command = ["taskset", "-c", str(CORES[0])] + command
        if peer.variant:
            command += ["-v", peer.variant]
        return command + [name, param, str(seconds)]

    def run(self, peer, work, seconds):
        """Numbers, or None."""
        if (peer.key, work.run) in self.absent:
            return None
        try:
            done = subprocess.run(self.command(peer, work, seconds),
                                  capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL,
                                  timeout=60 + 10 * seconds)
        except subprocess.TimeoutExpired:
            self.absent.add((peer.key, work.run))
            self.note("%s: %s did not end in time" % (peer.title, work.run))
            return None
        if done.returncode == 0 and done.stdout.strip():
            return [float(x) for x in done.stdout.split()]
        self.absent.add((peer.key, work.run))
        if done.returncode != UNSUPPORTED:
            why = (done.stderr.strip().splitlines() or
                   ["exit status %d" % done.returncode])[-1]
            self.note("%s: %s failed: %s" % (peer.title, work.run, why))
        return None

    def missing(self, peer):
        """Why a peer cannot run at all, or None."""
        if peer.program.endswith(".py"):
            return None
        if not os.access(os.path.join(self.args.build, "bench",
                                      peer.program), os.X_OK):
            return "not built: its library is not installed"
        if peer.program == "peer_mpi" and shutil.which("mpirun") is None:
            return "no mpirun"
        if peer.variant is None or not peer.variant.startswith(
                ("ring", "socket,")):
            return None
        work = Work("", "", "", "oneway 64")
        done = subprocess.run(self.command(peer, work, 0.01), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode == UNSUPPORTED:
            return "not in this version"
        return None

    def one_work(self, number, work, peers, seconds, known):
        """known: what this round has already run, by (peer, run)."""
        burners = []
        if work.condition == "busy":
            burners = [subprocess.Popen([sys.executable, "-c",
                                         "while True: pass"])
                       for _ in CORES]
        try:
            turn = number % max(len(peers), 1)
            for peer in peers[turn:] + peers[:turn]:
                if not peer.does(work):
                    continue
                key = (peer.key, work.run, work.condition)
                if key not in known:
                    known[key] = self.run(peer, work, seconds)
                    if known[key] is not None:
                        self.tsv.write("%d\t%s\t%s\t%s\n" % (
                            number, work.key, peer.key,
                            " ".join("%g" % x for x in known[key])))
                        self.tsv.flush()
                if known[key] is not None:
                    self.values.setdefault((peer.key, work.key), []).append(
                        known[key][work.index] * work.scale)
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()

    def all_rounds(self):
        args, peers = self.args, []
        for peer in PEERS:
            why = self.missing(peer)
            if why:
                self.note("%s: %s" % (peer.title, why))
            else:
                peers.append(peer)
        works = WORKS + growth(args.quick)
        for number in range(args.rounds):
            known = {}
            for work in works:
                if number >= 3 and work.only == GROWING:
                    continue    # what grows takes long: three rounds
                if sys.stderr.isatty():
                    sys.stderr.write("\r\033[Kround %d of %d: %s" % (
                        number + 1, args.rounds, work.key))
                self.one_work(number, work, peers, args.seconds, known)
        known = {}
        for work in (Work("idle", "backend", "", "idle 0", only=GROWING),
                     Work("idle-front", "frontend", "", "idle 0", 1,
                          only=GROWING)):
            self.one_work(0, work, peers, args.idle, known)
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
        return works

    def medians(self):
        return {key: statistics.median(v) for key, v in self.values.items()}


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return "%s, %d processors, Linux %s" % (
        model, len(CORES), platform.release().split("-")[0])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=".", help="the build folder")
    parser.add_argument("--out", help="where the report goes")
    parser.add_argument("--quick", action="store_true",
                        help="shows that it works, not how fast")
    args = parser.parse_args()
    args.out = args.out or os.path.join(args.build, "bench")
    args.rounds = int(os.environ.get("ROUNDS", 1 if args.quick else 5))
    args.seconds = float(os.environ.get("SECONDS_EACH",
                                        0.03 if args.quick else 0.2))
    args.idle = float(os.environ.get("IDLE", 0.5 if args.quick else 3))
    return args


def main():
    args = arguments()
    started = time.monotonic()
    bench = Bench(args)
    works = bench.all_rounds()
    facts = {"machine": machine(), "rounds": args.rounds,
             "seconds": args.seconds, "idle": args.idle,
             "took": time.monotonic() - started, "load": os.getloadavg()[2]}
    print(write_report(args.out, PEERS, works, bench.medians(), bench.notes,
                       facts))
    # A peer that is not here is a note; mproc itself must have run.
    return 0 if bench.medians().get(("socket", "trip")) else 1


if __name__ == "__main__":
    sys.exit(main())
