#!/usr/bin/env python3
"""peer_python_pool.py - Python's pools; the work and the output are those of
peer.h, for the variants

    executor  concurrent.futures.ProcessPoolExecutor
    pool      multiprocessing.Pool

Fast settings: the start method is fork; a map has its numbers in chunks, of
the size that Pool.map takes by itself.
"""
import collections
import concurrent.futures
import multiprocessing
import sys
import time

JOBS, ITEMS = 4096, 1000000     # as PEER_JOBS, PEER_ITEMS


def square(n):
    return n * n


class Executor:
    """put and get are futures: it has no other way."""

    def __init__(self, workers):
        self.workers = workers
        self.pool = concurrent.futures.ProcessPoolExecutor(
            workers, multiprocessing.get_context("fork"))

    def submit(self, n):
        return self.pool.submit(square, n).result

    def map(self, numbers):
        chunk = len(numbers) // (4 * self.workers) + 1
        return list(self.pool.map(square, numbers, chunksize=chunk))

    def close(self):
        self.pool.shutdown()


class Pool:
    def __init__(self, workers):
        self.pool = multiprocessing.get_context("fork").Pool(workers)

    def submit(self, n):
        return self.pool.apply_async(square, (n,)).get

    def unordered(self, numbers):
        return self.pool.imap_unordered(square, numbers)

    def map(self, numbers):
        return self.pool.map(square, numbers)

    def close(self):
        self.pool.terminate()


def rate_of(n, start):
    print("%.0f" % (n / (time.monotonic() - start)))


def futures(pool, seconds):
    """Between half of JOBS and all of it are under way, all the time."""
    waiting, n, done, total = collections.deque(), 0, 0, 0
    start = None
    while start is None or time.monotonic() < start + seconds:
        while len(waiting) < JOBS:
            waiting.append(pool.submit(n))
            n += 1
        for _ in range(JOBS // 2):
            total += waiting.popleft()()
            done += 1
        if start is None:
            start, warm = time.monotonic(), done
    while waiting:
        total += waiting.popleft()()
    rate_of(n - warm, start)
    assert total == sum(i * i for i in range(n)), "wrong results"


def jobs(pool, seconds):
    """A source that the pool reads; results as they come."""
    end = None

    def numbers():
        n = 0
        while end is None or time.monotonic() < end:
            yield n
            n += 1
    total = done = 0
    for result in pool.unordered(numbers()):
        total += result
        done += 1
        if done == JOBS:
            start = time.monotonic()
            end = start + seconds
    rate_of(done - JOBS, start)
    assert total == sum(i * i for i in range(done)), "wrong results"


def maps(pool, seconds):
    numbers, n = list(range(ITEMS)), 0
    pool.map(numbers[:ITEMS // 100])
    start = time.monotonic()
    while n == 0 or time.monotonic() < start + seconds:
        squares = pool.map(numbers)
        n += ITEMS
    rate_of(n, start)
    assert all(s == i * i for i, s in zip(numbers, squares)), "wrong results"


def main():
    variant, work = sys.argv[2], sys.argv[3]
    workers, seconds = int(sys.argv[4]), float(sys.argv[5])
    works = {"futures": futures, "map": maps}
    if variant == "pool":
        works["pool"] = jobs
    if work not in works:
        return 77
    pool = {"executor": Executor, "pool": Pool}[variant](workers)
    try:
        works[work](pool, seconds)
    finally:
        pool.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
