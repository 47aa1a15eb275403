#!/usr/bin/env python3
"""peer_python.py - Python's multiprocessing: a Process and a Pipe for each
backend; the work and the output are those of peer.h.

Fast settings: bytes objects, which pickle in one piece; the start method is
fork.
"""
import multiprocessing
import os
import sys
import time

TAKE, ASK, STOP = 0, 1, 2
WARM_UP = 100


def backend(conn, earlier):
    for c in earlier:
        c.close()
    taken = 0
    while True:
        what = conn.recv()[0]
        if what == STOP:
            return
        taken += 1
        if what == ASK:
            conn.send((taken, os.getpid()))


class Peer:
    def __init__(self, size):
        self.context = multiprocessing.get_context("fork")
        self.messages = {w: bytes([w]) + bytes(size - 1)
                         for w in (TAKE, ASK, STOP)}
        self.ends = []

    def open(self, n):
        for _ in range(n):
            ours, theirs = self.context.Pipe()
            earlier = [e[0] for e in self.ends] + [ours]
            process = self.context.Process(target=backend,
                                           args=(theirs, earlier))
            process.start()
            theirs.close()
            self.ends.append((ours, process))

    def trip(self, i=0):
        conn = self.ends[i][0]
        conn.send(self.messages[ASK])
        return conn.recv()

    def close(self):
        for conn, process in self.ends:
            conn.send(self.messages[STOP])
        for conn, process in self.ends:
            process.join()
            conn.close()
        self.ends = []


def trip(peer, param, seconds):
    peer.open(1)
    for _ in range(WARM_UP):
        peer.trip()
    samples = []
    last = time.monotonic_ns()
    end = last + seconds * 1e9
    while last < end:
        peer.trip()
        now = time.monotonic_ns()
        samples.append((now - last) / 1e3)
        last = now
    rate = 1e6 * len(samples) / sum(samples)
    samples.sort()
    print("%.3f %.3f %.0f" % (samples[len(samples) // 2],
                              samples[int(len(samples) * 0.99)], rate))


def oneway(peer, size, seconds):
    peer.open(1)
    peer.trip()
    send, message = peer.ends[0][0].send, peer.messages[TAKE]
    burst = 1 + 65536 // size
    n = 1
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        for _ in range(burst):
            send(message)
        n += burst
    taken, _ = peer.trip()
    rate = n / (time.monotonic() - start)
    assert taken == n + 1, "messages were lost"
    print("%.0f %.4f" % (rate, rate * size / 1e9))


def fan(peer, backends, seconds):
    peer.open(backends)
    conns, message = [e[0] for e in peer.ends], peer.messages[ASK]
    n = -2
    start = time.monotonic()
    while n < 1 or time.monotonic() < start + seconds:
        for c in conns:
            c.send(message)
        for c in conns:
            c.recv()
        n += 1
        if n == 0:
            start = time.monotonic()
    print("%.0f" % (n * backends / (time.monotonic() - start)))


def start_stop(peer, mib, seconds):
    ballast = bytearray(b"1") * (mib << 20)
    n = 0
    start = time.monotonic()
    while n < 3 or time.monotonic() < start + seconds:
        peer.open(1)
        peer.trip()
        peer.close()
        n += 1
    print("%.1f" % (n / (time.monotonic() - start)))
    del ballast


def memory(peer, backends, _seconds):
    peer.open(backends)
    total = 0
    for i in range(backends):
        with open("/proc/%d/smaps_rollup" % peer.trip(i)[1]) as f:
            total += sum(int(line.split()[1]) for line in f
                         if line.startswith("Pss:"))
    print("%.1f" % (total / backends))


def main():
    works = {"trip": trip, "oneway": oneway, "fan": fan,
             "start": start_stop, "memory": memory}
    work, param, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    if work not in works:
        return 77
    peer = Peer(param if work == "oneway" else 64)
    try:
        works[work](peer, param, seconds)
    finally:
        peer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
