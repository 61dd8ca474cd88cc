"""What Lighthouse makes of the published site, `invoke lighthouse`: home and every post, on the phone that it imitates.

Builds the site as it is published into a temporary folder, serves it as a static host does (compressed, with caching),
and runs each page several times in Chromium; the run with the median performance counts. Writes the scores and the
weights of the pages to docs/benchmarks/lighthouse.json, and Lighthouse's own reports to bench/lighthouse/reports/.
Exits with 1 where a score is below 98. Needs Node, npm and Chromium; installs Lighthouse as its lock says.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli
from lockstep.record.machine import hardware

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent / "lighthouse"
RECORD = ROOT / "docs/benchmarks/lighthouse.json"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TIMINGS = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")
BAR = 98
TEXT = (".html", ".css", ".js", ".mjs", ".json", ".svg", ".csv", ".xml", ".atom", ".txt")
BUILD = (
    "import sys; from lockstep import cli; sys.exit(cli.guarded(lambda: cli.build(True, settings='publishconf.py')))"
)


@functools.cache
def compressed(path: Path) -> bytes:
    return brotli.compress(path.read_bytes(), quality=9)


class Host(SimpleHTTPRequestHandler):
    """A static host: text goes out compressed, everything may be kept for an hour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        status = 200 if path.is_file() else 404
        path = path if path.is_file() else Path(self.directory) / "404.html"
        packed = path.suffix in TEXT and "br" in self.headers.get("Accept-Encoding", "")
        body = compressed(path) if packed else path.read_bytes()
        self.send_response(status)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=3600")
        if packed:
            self.send_header("Content-Encoding", "br")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def published() -> Iterator[tuple[Path, str]]:
    """The site as it is published for the address at which it is then served; yields its folder and the address."""
    with tempfile.TemporaryDirectory() as folder:
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Host, directory=folder)) as server:
            address = f"http://127.0.0.1:{server.server_port}"
            variables = os.environ | {"LOCKSTEP_OUTPUT": folder, "SITEURL": address}
            subprocess.run(
                [sys.executable, "-c", BUILD], cwd=ROOT, env=variables, check=True, stdout=subprocess.DEVNULL
            )
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield Path(folder), address
            finally:
                server.shutdown()
                thread.join()


def audit(address: str, report: Path, chromium: str) -> dict[str, Any]:
    """One run of Lighthouse: its result, with the reports written beside each other."""
    command = [str(HERE / "node_modules/.bin/lighthouse"), address, "--quiet", "--output=json", "--output=html"]
    command += [
        f"--output-path={report}",
        "--chrome-flags=--headless=new --no-sandbox",
        f"--only-categories={','.join(CATEGORIES)}",
    ]
    subprocess.run(command, env=os.environ | {"CHROME_PATH": chromium}, check=True)
    return json.loads(report.with_suffix(".report.json").read_text(encoding="utf-8"))


def scores(result: dict[str, Any]) -> dict[str, int]:
    """Of 100; what Lighthouse could not score counts as nothing."""
    return {name: round(100 * (result["categories"][name]["score"] or 0)) for name in CATEGORIES}


def missed(result: dict[str, Any]) -> list[str]:
    """The audits that cost points, heaviest first."""
    costs = {}
    for name in CATEGORIES:
        for part in result["categories"][name]["auditRefs"]:
            audit = result["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 1:
                shown = audit.get("displayValue", "")
                costs[f"{name}: {audit['title']} {shown}".strip()] = part["weight"] * (1 - audit["score"])
    return sorted(costs, key=lambda text: -costs[text])


def page(result: dict[str, Any]) -> dict[str, Any]:
    """What the record keeps of a run: scores, what the page weighs on the wire by kind, and when it is painted."""
    requests = result["audits"]["network-requests"]["details"]["items"]
    weight: dict[str, int] = {}
    for request in requests:
        kind = request.get("resourceType", "Other").lower()
        weight[kind] = weight.get(kind, 0) + request["transferSize"]
    timing = {name: round(result["audits"][name]["numericValue"], 3) for name in TIMINGS}
    return {"scores": scores(result), "bytes": dict(sorted(weight.items())), "requests": len(requests), **timing}


def measure(names: list[str], address: str, runs: int, chromium: str) -> dict[str, dict[str, Any]]:
    reports = HERE / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    found: dict[str, dict[str, Any]] = {}
    print(f"{'page':<12}" + "".join(f"{name:>16}" for name in CATEGORIES) + f"{'bytes':>10}")
    for name in names:
        report = reports / (name.strip("/") or "home")
        made = [audit(f"{address}/{name}", report.with_name(f"{report.name}-{run}"), chromium) for run in range(runs)]
        median = sorted(made, key=lambda result: result["categories"]["performance"]["score"] or 0)[runs // 2]
        found[f"/{name}"] = page(median)
        line = "".join(f"{score:>16}" for score in scores(median).values())
        print(f"{'/' + name:<12}{line}{sum(found[f'/{name}']['bytes'].values()):>10}", flush=True)
        if min(scores(median).values()) < 100:
            print("".join(f"    {text}\n" for text in missed(median)), end="")
        version = {"lighthouse": median["lighthouseVersion"], "browser": median["environment"]["hostUserAgent"]}
    return {"versions": version, "pages": found}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs a page; the median counts (default: 3)")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium or not shutil.which("npm"):
        print("Lighthouse needs Chromium, Node and npm: install your system's packages", file=sys.stderr)
        return 1
    if not (HERE / "node_modules/.bin/lighthouse").exists():
        subprocess.run(["npm", "ci", "--prefix", str(HERE), "--ignore-scripts"], check=True, stdout=subprocess.DEVNULL)
    names = ["", *(f"{path.parent.name}/" for path in sorted(ROOT.glob("content/*/index.md")))]
    with published() as (_, address):
        found = measure(names, address, given.runs, chromium)
    kept = {"date": datetime.date.today().isoformat(), "hardware": hardware(), "runs": given.runs, **found}
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    low = [name for name, one in found["pages"].items() if min(one["scores"].values()) < BAR]
    print(f"below {BAR}: {', '.join(low)}" if low else f"all at {BAR} or above")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
