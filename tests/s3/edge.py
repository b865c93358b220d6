"""The built `seawall` as a process, and requests to it that are sent exactly as they are written."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

HOST = "photos.example.com"
TOKEN_KEY = "0123456789abcdef0123456789abcdef"
PATIENCE = 15

CONFIG = """
[server]
threads = 2
shutdown_timeout = "5s"

[[listener]]
address = "127.0.0.1:{http}"

[[listener]]
address = "127.0.0.1:{https}"
[listener.tls]
self_signed = true

[[pool]]
name = "photos"
members = [{{ url = "{endpoint}" }}]
[pool.s3]
bucket = "photos"
region = "eu-central-1"
{s3}
credentials = {{ access_key_id = "${{TEST_KEY_ID}}", secret_access_key = "${{TEST_SECRET}}" }}

[[site]]
hosts = ["{host}"]
pool = "photos"

[[site.signed]]
scheme = "token"
paths = ["/private/*"]
keys = [{{ id = "k1", secret = "${{TEST_TOKEN_KEY}}" }}]

[admin]
address = "127.0.0.1:{admin}"
"""


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def is_hit(self):
        return "; hit" in self.headers.get("cache-status", "")


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def binary():
    default = Path(__file__).parents[2] / "target" / "debug" / "seawall"
    return os.environ.get("SEAWALL_BIN", str(default))


class Edge:
    def __init__(self, folder, bucket, secret=None, s3=""):
        self.http, self.https, self.admin = free_ports(3)
        self.config = folder / "edge.toml"
        text = CONFIG.format(
            http=self.http, https=self.https, admin=self.admin, endpoint=bucket.endpoint, host=HOST, s3=s3
        )
        self.config.write_text(text)
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            "TEST_KEY_ID": bucket.access_key_id,
            "TEST_SECRET": secret or bucket.secret_access_key,
            "TEST_TOKEN_KEY": TOKEN_KEY,
        }
        self.log = folder / "edge.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", str(self.config)],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the edge ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if self._ask(self.admin, "GET", "/readyz", {}).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError(f"the edge was not ready after {PATIENCE}s:\n{self.log.read_text()}")

    def get(self, path, headers=None, method="GET", tls=False):
        port = self.https if tls else self.http
        return self._ask(port, method, path, {"Host": HOST, **(headers or {})}, tls)

    def _ask(self, port, method, path, headers, tls=False):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.connect()
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=HOST)
        try:
            headers.setdefault("Host", "localhost")
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def metrics(self):
        """The scrape, read by Prometheus' own parser: (name, labels, value) of every sample."""
        answer = self._ask(self.admin, "GET", "/metrics", {})
        assert answer.status == 200
        families = text_string_to_metric_families(answer.body.decode())
        return [(s.name, s.labels, s.value) for family in families for s in family.samples]

    def count(self, name, **labels):
        """The sum of the samples of a name that have these labels."""
        matching = (v for n, has, v in self.metrics() if n == name and labels.items() <= has.items())
        return sum(matching)

    def eventually(self, so):
        """Until `so()` holds."""
        end = time.monotonic() + PATIENCE
        while not so():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.02)

    def seawall(self, *arguments):
        """What another `seawall` command prints."""
        done = subprocess.run(
            [binary(), *arguments], env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self):
        """SIGTERM, and the exit code it ends with."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
