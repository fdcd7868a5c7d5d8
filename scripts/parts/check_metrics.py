"""Looks whether every metric that rules and dashboards name is one that the page of metrics has, and
whether each expression of a dashboard is one of Prometheus.

    check_metrics.py PAGE FILE...
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

SUFFIXES = ("_bucket", "_count", "_sum")


def expressions(path):
    """The expressions of a dashboard, with what Grafana fills in."""
    if path.suffix != ".json":
        return
    board = json.loads(path.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    if len(ids) != len(set(ids)):
        sys.exit(f"error: {path}: two panels have one id")
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def main():
    page, *files = (pathlib.Path(name) for name in sys.argv[1:])
    known = set(re.findall(r"^\| `(overnight_\w+)`", page.read_text(), re.MULTILINE))
    rules, named = [], set()
    for path in files:
        for name in re.findall(r"\bovernight_\w+", path.read_text()):
            for suffix in SUFFIXES:
                name = name.removesuffix(suffix)
            named.add(name)
            if name not in known:
                sys.exit(f"error: {path}: there is no metric {name}; {page} has them all")
        for number, expression in enumerate(expressions(path)):
            rules.append({"record": f"panel:{number}", "expr": expression})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        subprocess.run(["promtool", "check", "rules", file.name], check=True, stdout=subprocess.DEVNULL)
    print(f"{len(named)} of {len(known)} metrics are used, in {len(rules)} panels and the rules")


main()
