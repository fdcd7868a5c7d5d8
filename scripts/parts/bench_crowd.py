"""Many workers on one PostgreSQL, measured from outside."""

import argparse
import json
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.parse

from bench_workers import ROOT, TICK, Server, psql

# Batches a day, and the lines of each.
PACES = [(1, 100), (1_000_000, 100), (2_000_000, 100), (4_000_000, 100)]


def cpu(parent):
    """Seconds of processor time of a process and its children, those that have ended as well."""
    seconds = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        own, gone = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
        if stat.parent.name == str(parent):
            seconds += own + gone
        elif fields[1] == str(parent):
            seconds += own
    return seconds / TICK


def counts(folder):
    """Transactions, and bytes that were logged, so far."""
    sql = "SELECT xact_commit, pg_current_wal_lsn() - '0/0' FROM pg_stat_database WHERE datname = 'postgres'"
    commits, logged = psql(folder, sql).split("|")
    return int(commits), int(logged)


def measure(bench, folder, flags, pace, lines):
    postgres = Server([ROOT / "scripts/serve-postgres", "18", folder / "pg"], folder / "pg.log")
    socket = urllib.parse.quote(str(folder / "pg"), safe="")
    command = [bench, "crowd", "--store", f"postgres://postgres@{socket}/postgres"]
    command += ["--workers", flags.workers, "--batches-a-day", pace, "--lines", lines]
    command += ["--seconds", flags.seconds]
    crowd = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    crowd.stdout.readline()
    # The beginning of so many workers is no part of their day.
    time.sleep(5)
    began, before, used = time.monotonic(), counts(folder / "pg"), cpu(postgres.child.pid)
    crowd.stdout.readline()
    took, after = time.monotonic() - began, counts(folder / "pg")
    used = cpu(postgres.child.pid) - used
    commits, logged = ((now - then) / took for now, then in zip(after, before))
    said = crowd.stdout.readline()
    has_failed = crowd.wait() != 0
    postgres.end(signal.SIGINT)
    if has_failed:
        print(f"| {pace:,} | {lines} | {commits:,.0f} | {used / took:.2f} | {logged / 1e6:.2f} | it broke down | | |", flush=True)
        return
    report = json.loads(said)
    ended = report["seconds_to_the_end"]
    print(
        f"| {pace:,} | {lines} | {commits:,.0f} | {used / took:.2f} | {logged / 1e6:.2f} "
        f"| {report['completed']:,} of {report['created']:,} | {ended['p50'] or 0:.1f} | {ended['p99'] or 0:.1f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    flags = parser.parse_args()
    print(
        "| batches a day | lines of each | transactions a second | processors that PostgreSQL uses "
        "| MB a second that it logs | ended | seconds to the end: half | 99 % |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for pace, lines in PACES:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            folder = pathlib.Path(folder)
            folder.chmod(0o755)
            measure(flags.bench, folder, flags, pace, lines)


if __name__ == "__main__":
    main()
