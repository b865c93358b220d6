#!/usr/bin/env python3
"""Hits of Seawall, nginx and Varnish on one core, measured in the same run.

The proxy has one core to itself and the load generator the other. Rounds are interleaved (seawall, nginx,
varnish, seawall, ...), so that a machine that speeds up or slows down does so for all. Printed are the medians and
the ratio of Seawall to nginx in each round; compare ratios, never figures of different runs.

    cargo build --release && benches/compare/run.py [--rounds 5] [--seconds 3] [--only plain,tls,h2] [--size 1024]

Needs wrk, h2load (nghttp2-client), nginx and varnish from Debian.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on {port}: {process.args}")


TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    """User and system seconds of a process, its children's included (Varnish works in one)."""
    total = 0
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(path.parent.name) == pid or int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def template(name, into, values):
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    into.write_text(text)
    return into


class Bench:
    def __init__(self, folder, arguments):
        self.folder, self.arguments, self.processes = pathlib.Path(folder), arguments, []
        self.origin = free_port()

    def start(self, command, port, core):
        process = subprocess.Popen(
            ["taskset", "-c", core, *map(str, command)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if command[0] == "varnishd" else None,
        )
        self.processes.append(process)
        wait_for(port, process)
        return process.pid

    def setup(self):
        www = self.folder / "www"
        www.mkdir()
        (www / "object.bin").write_bytes(os.urandom(self.arguments.size))
        os.chmod(self.folder, 0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        values = {"DIR": self.folder, "ORIGIN": self.origin}
        origin = template("origin.conf.in", self.folder / "origin.conf", values)
        self.start(["nginx", "-c", origin, "-p", self.folder], self.origin, self.arguments.load_core)
        self.plain, self.tls, self.pids = {}, {}, {}
        for name in ["seawall", "nginx"]:
            self.plain[name], self.tls[name] = free_port(), free_port()
        binary = ROOT / "target" / "release" / "seawall"
        ports = lambda name: {**values, "PLAIN": self.plain[name], "TLS": self.tls[name]}
        conf = template("seawall.toml.in", self.folder / "seawall.toml", ports("seawall"))
        self.pids["seawall"] = self.start(
            [binary, "serve", "--config", conf], self.plain["seawall"], self.arguments.core)
        conf = template("nginx.conf.in", self.folder / "nginx.conf", ports("nginx"))
        self.pids["nginx"] = self.start(
            ["nginx", "-c", conf, "-p", self.folder], self.plain["nginx"], self.arguments.core)
        if shutil.which("varnishd"):
            self.plain["varnish"] = free_port()
            vcl = template("bench.vcl.in", self.folder / "bench.vcl", values)
            self.pids["varnish"] = self.start(
                ["varnishd", "-F", "-n", self.folder / "varnish", "-f", vcl, "-s", "malloc,1g",
                 "-a", f"127.0.0.1:{self.plain['varnish']}", "-p", "thread_pools=1", "-p", "thread_pool_min=50"],
                self.plain["varnish"], self.arguments.core)

    def check(self, scheme, port):
        """The right bytes, from the cache."""
        url = f"{scheme}://127.0.0.1:{port}/object.bin"
        for _ in range(2):
            body = subprocess.run(["curl", "-sk", url], check=True, capture_output=True).stdout
        if body != (self.folder / "www" / "object.bin").read_bytes():
            sys.exit(f"{url}: wrong bytes")

    def wrk(self, scheme, port):
        out = subprocess.run(
            ["taskset", "-c", self.arguments.load_core, "wrk", "-t1", f"-c{self.arguments.connections}",
             f"-d{self.arguments.seconds}s", "-H", "Host: localhost", f"{scheme}://127.0.0.1:{port}/object.bin"],
            check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            sys.exit(out)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])

    def h2load(self, port):
        out = subprocess.run(
            ["taskset", "-c", self.arguments.load_core, "h2load", "-t1", "-c8", "-m16", f"-D{self.arguments.seconds}",
             "--warm-up-time=0", f"https://127.0.0.1:{port}/object.bin"],
            check=True, capture_output=True, text=True).stdout
        if not re.search(r" 0 failed, 0 errored", out):
            sys.exit(out)
        return float(re.search(r"finished in [\d.]+s, ([\d.]+) req/s", out)[1])

    def cells(self):
        wanted = self.arguments.only.split(",")
        if "plain" in wanted:
            yield "plain HTTP/1.1", "http", self.plain, lambda port: self.wrk("http", port)
        if "tls" in wanted:
            yield "TLS HTTP/1.1", "https", self.tls, lambda port: self.wrk("https", port)
        if "h2" in wanted:
            yield "TLS HTTP/2", "https", self.tls, self.h2load

    def run(self):
        print(f"hits of {self.arguments.size} bytes, one core, requests per second, median of "
              f"{self.arguments.rounds} rounds of {self.arguments.seconds} s")
        print(f"{'':16}{'seawall':>10}{'nginx':>10}{'varnish':>10}   seawall/nginx: median (min-max)"
              "   CPU us a request: seawall, nginx, varnish")
        for title, scheme, ports, measure in self.cells():
            figures, costs = {name: [] for name in ports}, {name: [] for name in ports}
            for port in ports.values():
                self.check(scheme, port)
            for _ in range(self.arguments.rounds):
                for name, port in ports.items():
                    before = cpu(self.pids[name])
                    figures[name].append(measure(port))
                    requests = figures[name][-1] * self.arguments.seconds
                    costs[name].append((cpu(self.pids[name]) - before) * 1e6 / requests)
            ratios = [s / n for s, n in zip(figures["seawall"], figures["nginx"])]
            row = "".join(
                f"{statistics.median(figures[name]):>10.0f}" if name in figures else f"{'-':>10}"
                for name in ["seawall", "nginx", "varnish"])
            cost = ", ".join(
                f"{statistics.median(costs[name]):.1f}" for name in ["seawall", "nginx", "varnish"] if name in costs)
            print(f"{title:16}{row}   {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
                  f"{'':19}{cost}", flush=True)

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--only", default="plain,tls,h2")
    parser.add_argument("--core", default="0", help="the proxy's")
    parser.add_argument("--load-core", default="1", help="the load generator's and the origin's")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, parser.parse_args())
        try:
            bench.setup()
            bench.run()
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
