#!/usr/bin/env python3
"""The same faults in front of Seawall and nginx: what clients see of one member in turn that fails.

Three origins on loopback, a steady stream of GETs, every other one of a key that is in the cache for a second and may
be served for ten minutes more if the origin fails. One member in turn is killed, hangs, answers 500, answers slowly,
closes midway, sends garbage; then all three are gone. Each fault lasts for --phase seconds and is followed by a calm
phase as long. Printed is the README's table: requests that failed (no 200, or not the whole body), and the 99th
percentile of latency in the second half of each fault, for both kinds of key.

    cargo build --release && benches/compare/faults.py [--rate 200] [--phase 5] [--only seawall,nginx]

nginx has proxy_next_upstream for everything it knows, passive checks (max_fails, fail_timeout) with the same numbers
as Seawall's breaker, and proxy_cache_use_stale. Needs nginx from Debian.
"""

import argparse
import asyncio
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from run import ROOT, free_port, template, wait_for

BODY = b"x" * 1024
KEYS = 100
CONNECTIONS = 32
FAULTS = ["killed", "hangs", "answers 500", "slow (300 ms)", "closes midway", "garbage", "all gone"]


class Origin:
    """A server that fails in the way it is told to."""

    def __init__(self):
        self.port, self.mood, self.server, self.writers = free_port(), "well", None, set()
        self.changed = asyncio.Event()

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1024)

    async def set(self, mood):
        self.mood = mood
        self.changed.set()
        self.changed = asyncio.Event()
        if mood == "killed":
            self.server.close()
            for writer in list(self.writers):
                writer.transport.abort()
            self.server = None
        elif self.server is None:
            await self.listen()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1]
                control = b"max-age=1, stale-if-error=600" if path.startswith(b"/c/") else b"no-store"
                answer = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nCache-Control: %s\r\n\r\n"
                          % (len(BODY), control)) + BODY
                goes_on = True
                if self.mood == "hangs":
                    await self.changed.wait()
                    return
                if self.mood == "answers 500":
                    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
                elif self.mood == "slow (300 ms)":
                    await asyncio.sleep(0.3)
                elif self.mood == "closes midway":
                    answer, goes_on = answer[:-len(BODY) // 2], False
                elif self.mood == "garbage":
                    answer, goes_on = b"\0\1\2 this is no HTTP\r\n\r\n", False
                writer.write(answer)
                await writer.drain()
                if not goes_on:
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


class Load:
    """Requests at their times, whoever is slow; latency counts from when a request was due."""

    def __init__(self, port, rate):
        self.port, self.rate, self.samples, self.stopped = port, rate, [], False
        self.begin = time.monotonic()
        self.tasks = [asyncio.create_task(self.one(n)) for n in range(CONNECTIONS)]

    async def one(self, n):
        connection, turn = None, 0
        while True:
            number = turn * CONNECTIONS + n
            due = self.begin + number / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            if self.stopped:
                return
            cached = (turn + n) % 2 == 0
            turn += 1
            path = f"/c/{number // 2 % KEYS}" if cached else f"/u/{number}"
            connection, good = await get(self.port, path, connection)
            self.samples.append((due - self.begin, cached, time.monotonic() - due, good))

    async def stop(self):
        self.stopped = True
        await asyncio.gather(*self.tasks)
        return self.samples


async def get(port, path, connection=None):
    """The connection, if it can be used again, and whether there was a whole 200."""
    try:
        async with asyncio.timeout(10):
            reader, writer = connection or await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await reader.readexactly(int(fields[b"content-length"]))
            good = head.split(b" ")[1] == b"200" and body == BODY
            if fields.get(b"connection") == b"close":
                writer.close()
                return None, good
            return (reader, writer), good
    except (OSError, TimeoutError, KeyError, asyncio.IncompleteReadError):
        return None, False


def p99(samples):
    latencies = sorted(latency for _, _, latency, _ in samples)
    return latencies[len(latencies) - 1 - len(latencies) // 100] if latencies else 0.0


async def measure(port, origins, arguments):
    """For "calm" and each fault: failures and p99 of cached and uncacheable keys."""
    for key in range(KEYS):
        if not (await get(port, f"/c/{key}"))[1]:
            sys.exit(f"/c/{key}: not served while all is well")
    load, phase = Load(port, arguments.rate), arguments.phase
    await asyncio.sleep(phase)
    for n, fault in enumerate(FAULTS):
        failing = origins if fault == "all gone" else [origins[n % len(origins)]]
        for origin in failing:
            await origin.set("killed" if fault == "all gone" else fault)
        await asyncio.sleep(phase)
        for origin in failing:
            await origin.set("well")
        await asyncio.sleep(phase)
    samples = await load.stop()
    rows = {}
    for n, name in enumerate(["calm"] + FAULTS):
        begin = max(0, 2 * n - 1) * phase
        end = begin + phase * (1 if n == 0 else 2)
        for cached in (True, False):
            of = [s for s in samples if s[1] == cached and begin <= s[0] < end]
            settled = [s for s in of if begin + phase / 2 <= s[0] < begin + phase and s[3]]
            rows[name, cached] = (sum(not s[3] for s in of), len(of), p99(settled))
    return rows


def start(name, folder, origins, arguments):
    port = free_port()
    values = {"DIR": folder, "PORT": port, "ADMIN": free_port()}
    values |= {f"ORIGIN{n}": origin.port for n, origin in enumerate(origins)}
    if name == "nginx":
        conf = template("faults.nginx.conf.in", folder / "nginx.conf", values)
        command = ["nginx", "-c", conf, "-p", folder]
    else:
        conf = template("faults.toml.in", folder / "seawall.toml", values)
        command = [arguments.binary, "serve", "--config", conf]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port, process)
    return process, port


async def run(arguments):
    results = {}
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            origins = [Origin() for _ in range(3)]
            for origin in origins:
                await origin.listen()
            process, port = start(name, pathlib.Path(folder), origins, arguments)
            try:
                results[name] = await measure(port, origins, arguments)
            finally:
                process.terminate()
                process.wait()
                for origin in origins:
                    await origin.set("killed")
    print(f"{arguments.rate} requests a second, {arguments.phase:g} s a fault and {arguments.phase:g} s after it; "
          "failed requests, and the p99 in the fault's second half\n")
    print("| one member of three | " + " | ".join(
        f"{name}, {kind}" for name in results for kind in ("in cache", "uncacheable")) + " |")
    print("|---" * (1 + 2 * len(results)) + "|")
    for fault in ["calm"] + FAULTS:
        cells = []
        for rows in results.values():
            for cached in (True, False):
                failed, count, late = rows[fault, cached]
                cells.append(f"{failed} of {count}" + (f"; {late * 1000:.0f} ms" if late else ""))
        print(f"| {fault} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--phase", type=float, default=5.0)
    parser.add_argument("--only", default="seawall,nginx")
    parser.add_argument("--binary", default=ROOT / "target" / "release" / "seawall", type=pathlib.Path)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
