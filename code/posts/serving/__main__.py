"""Serve, or print what belongs to serving.

python -m posts.serving serve        by the settings SERVING_… of the environment
python -m posts.serving settings     every setting, its value and its meaning
python -m posts.serving key NAME     a new API key, and the line for the file of keys
python -m posts.serving rules        alerts for Prometheus
python -m posts.serving dashboard    a dashboard for Grafana
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from lockstep.errors import LockstepError

from posts.serving.service import keys, settings
from posts.serving.service.alerts import prometheus_rules
from posts.serving.service.metrics import Metrics, dashboard

COMMANDS = ("serve", "settings", "key", "rules", "dashboard")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m posts.serving", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("name", nargs="?", default="")
    asked = parser.parse_args(arguments)
    try:
        if asked.command in ("rules", "dashboard"):
            print(json.dumps(prometheus_rules() if asked.command == "rules" else dashboard(Metrics()), indent=2))
        elif asked.command == "key":
            if not asked.name:
                parser.error("whose key? python -m posts.serving key NAME")
            secret, line = keys.made(asked.name)
            print(f"{secret}   shown once, for {asked.name}\n{line.decode()}")
        elif asked.command == "settings":
            print(settings.told(settings.read(os.environ)))
        else:
            from posts.serving.service.serve import run

            run(settings.read(os.environ))
    except LockstepError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
