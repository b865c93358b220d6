#!/usr/bin/env python3
"""Hits from disk of Seawall and nginx on one core: 500 objects of 1 MiB, with a RAM tier too small for them.

As run.py, whose options it has. nginx has no RAM tier and sends its files as they are; Seawall checks every byte.

    cargo build --release && benches/compare/disk.py [--rounds 5] [--seconds 3] [--only plain,tls]
"""

import os
import re
import subprocess
import sys
import urllib.request

import run

OBJECTS = 500
MEMORY = "32MiB"

LUA = """
math.randomseed(os.time())
request = function() return wrk.format("GET", "/" .. math.random(0, %d) .. ".bin") end
"""


class Bench(run.Bench):
    def setup(self):
        template = run.template
        run.template = lambda name, into, values: self.small(template(name, into, values))
        super().setup()
        (self.folder / "random.lua").write_text(LUA % (OBJECTS - 1))
        self.plain.pop("varnish", None)
        self.contents = {}
        for i in range(OBJECTS):
            self.contents[i] = os.urandom(self.arguments.size)
            (self.folder / "www" / f"{i}.bin").write_bytes(self.contents[i])

    def small(self, conf):
        if conf.name == "seawall.toml":
            disk = f'[cache.disk]\npath = "{self.folder}/disk"\ncapacity = "4GiB"\nadmission = "all"\n\n[[pool]]'
            text = conf.read_text().replace('"1GiB"', f'"{MEMORY}"').replace("[[pool]]", disk)
            conf.write_text(text.replace('address = ""', f'address = "127.0.0.1:{self.admin}"'))
        return conf

    def check(self, scheme, port):
        """All of it is cached, and right."""
        for again in range(2):
            for i, content in self.contents.items():
                url = f"{scheme}://127.0.0.1:{port}/{i}.bin"
                body = subprocess.run(["curl", "-sk", url], check=True, capture_output=True).stdout
                if body != content:
                    sys.exit(f"{url}: wrong bytes")

    def wrk(self, scheme, port):
        out = subprocess.run(
            ["taskset", "-c", self.arguments.load_core, "wrk", "-t1", f"-c{self.arguments.connections}",
             f"-d{self.arguments.seconds}s", "-H", "Host: localhost", "-s", self.folder / "random.lua",
             f"{scheme}://127.0.0.1:{port}/"],
            check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            sys.exit(out)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])

    def run(self):
        self.arguments.only = self.arguments.only.replace(",h2", "")
        super().run()
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics").read().decode()
        for line in text.splitlines():
            if re.match(r"seawall_(disk_(reads|shed|writes)|fills)_total", line):
                print(line)


if __name__ == "__main__":
    sys.argv += [] if "--size" in " ".join(sys.argv) else ["--size", str(1 << 20)]
    Bench.admin = run.free_port()
    run.Bench = Bench
    run.main()
