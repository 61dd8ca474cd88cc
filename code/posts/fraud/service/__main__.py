"""Start the service, or one of the processes beside it.

python -m posts.fraud.service serve DIRECTORY --port 8000 [--journal file|sqlite|redis://…|kafka://…]
python -m posts.fraud.service train DIRECTORY          train on the journal, print the digest
python -m posts.fraud.service compact DIRECTORY        write a snapshot
python -m posts.fraud.service rules                    alerts for Prometheus
python -m posts.fraud.service dashboard                a dashboard for Grafana
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from lockstep.errors import LockstepError

from posts.fraud.features import DAY
from posts.fraud.model import Settings
from posts.fraud.service import compact
from posts.fraud.service.alerts import prometheus_rules
from posts.fraud.service.app import App
from posts.fraud.service.metrics import Metrics, dashboard
from posts.fraud.service.registry import Registry
from posts.fraud.service.stores import open_journal
from posts.fraud.service.train import train

DEFAULTS = Settings(trees=200, leaves=31, learning_rate=0.05, smallest_leaf=100)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m posts.fraud.service", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("command", choices=("serve", "train", "compact", "rules", "dashboard"))
    made.add_argument("directory", type=Path, nargs="?", default=Path("fraud-data"))
    made.add_argument("--journal", default="file", help="where events are kept")
    made.add_argument("--host", default="127.0.0.1", help="the service has no log-in: keep it behind one that has")
    made.add_argument("--port", type=int, default=8000)
    made.add_argument("--delay", type=int, default=7 * DAY, help="seconds until a label counts")
    made.add_argument("--gather", type=float, default=0.002, help="seconds that a commit waits for company")
    made.add_argument("--epoch", type=datetime.fromisoformat, default="2018-04-01T00:00:00+00:00", help="second 0")
    made.add_argument("--trees", type=int, default=DEFAULTS.trees)
    return made


def main(arguments: list[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    if asked.command in ("rules", "dashboard"):
        print(json.dumps(prometheus_rules() if asked.command == "rules" else dashboard(Metrics()), indent=2))
        return 0
    try:
        journal = open_journal(asked.journal, asked.directory)
        if asked.command == "train":
            settings = DEFAULTS._replace(trees=asked.trees)
            print(train(journal, Registry(asked.directory), asked.delay, settings))
            return 0
        engine = compact.opened(asked.directory, journal, asked.delay)
        if asked.command == "compact":
            print(f"{compact.write(engine, asked.directory)} bytes, up to record {engine.sequence}")
            return 0
    except LockstepError as error:
        print(error, file=sys.stderr)
        return 1
    import uvicorn

    app = App(engine, journal, asked.epoch, asked.gather)
    uvicorn.run(app, host=asked.host, port=asked.port, log_level="warning", access_log=False, loop="uvloop")  # pyright: ignore
    return 0


if __name__ == "__main__":
    sys.exit(main())
