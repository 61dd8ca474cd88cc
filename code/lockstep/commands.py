"""The commands of lockstep and their options, declared once: for the command line, and for the tasks of invoke."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PROFILES = ("published", "smoke")


@dataclass(frozen=True)
class Option:
    """One option. `default`: its kind, a flag, a text or a list (which may be given several times)."""

    name: str
    help: str
    default: bool | str | tuple[str | int, ...] = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    positional: bool = False
    required: bool = False
    number: bool = False
    each: str = ""  # what invoke calls one of a list
    variable: str = ""  # of the environment: a flag is on where this is set

    @property
    def repeated(self) -> bool:
        return isinstance(self.default, tuple)

    @property
    def usual(self) -> bool | str | tuple[str | int, ...]:
        """The default, here and now."""
        return bool(os.environ.get(self.variable)) if self.variable else self.default

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        told: dict[str, Any] = {"help": self.help, "default": self.usual}
        if self.positional:
            told["nargs"] = "*" if self.repeated else None if self.required else "?"
            told["metavar"] = self.metavar
            parser.add_argument(self.name, **{key: value for key, value in told.items() if value is not None})
            return
        if isinstance(self.default, bool):
            told["action"] = "store_true"
        else:
            told |= {"metavar": self.metavar or None, "choices": self.choices or None}
        if self.repeated:
            told |= {"action": "append", "default": None, "type": int if self.number else str}
        if self.required:
            told["required"] = True
        parser.add_argument(f"--{self.name.replace('_', '-')}", **told)


@dataclass(frozen=True)
class Command:
    """One command: what it does in a line, and its options. Its function in cli.py has its name."""

    name: str
    help: str
    options: tuple[Option, ...] = ()


SLUG = Option("target", "a post, or one of its stages", metavar="SLUG[.STAGE]", positional=True, required=True)
ON = Option(
    "on",
    "here, local:N for N processes of this machine, or a Dask scheduler, as in tcp://scheduler:8786",
    "here",
    "WHERE",
)
BUDGET = Option("budget", "make only runs that fit into this time, cheapest first: 90s, 30m, 2h", metavar="TIME")
PROFILE = Option("profile", "what is published, or a smoke run of seconds", "published", choices=PROFILES)
SEED = Option("seed", "only runs at this seed (repeatable)", (), "N", number=True)
WHERE = Option("where", "only runs where a key has this value (repeatable)", (), "KEY=VALUE")
FORCE = Option("force", "run again what is fresh", False)
OUT = Option("out", "keep the runs in a folder, for merge into another clone", metavar="DIR")
FROZEN = Option(
    "frozen",
    "run and write nothing; fail where something is stale (the default where CI is set)",
    False,
    variable="CI",
)

COMMANDS = (
    Command(
        "build",
        "run what is stale, refresh the prose, verify, render",
        (FROZEN, Option("no_render", "leave the site alone", False), BUDGET, ON),
    ),
    Command(
        "check",
        "verify everything, or only these Markdown files; write nothing",
        (Option("files", "only this Markdown file", (), "FILE.md", positional=True, each="file"),),
    ),
    Command("status", "every stage, the state of its runs, and their cost"),
    Command(
        "why",
        "why runs are stale, and what hangs on them",
        (Option("target", "a post, or one of its stages", metavar="SLUG[.STAGE]", positional=True),),
    ),
    Command("run", "run stages of a post", (SLUG, FORCE, PROFILE, SEED, WHERE, OUT, BUDGET, ON)),
    Command(
        "reproduce",
        "run recorded runs again and say whether they came out the same (3 where that cannot be told)",
        (SLUG, PROFILE, SEED, WHERE, ON),
    ),
    Command(
        "accept",
        "let stale runs stand, for a reason that readers see",
        (SLUG, Option("reason", "why no result can have changed", metavar="TEXT", required=True)),
    ),
    Command(
        "diff",
        "what changed in the results since a commit, as Markdown",
        (Option("rev", "a commit, branch or tag", "HEAD", "REV"),),
    ),
    Command(
        "merge",
        "take in runs that were made elsewhere with run --out",
        (Option("source", "the folder, or an archive of it", metavar="DIR", positional=True, required=True),),
    ),
    Command(
        "migrate",
        "take runs of an older engine into today's fingerprints",
        (Option("slug", "a post; without one, all", metavar="SLUG", positional=True),),
    ),
    Command(
        "moved",
        "carry runs over a move of their code, proved from both trees",
        (
            Option("names", "where a module or module:name went", (), "OLD NEW", positional=True, each="name"),
            Option("since", "the commit before the move", "HEAD", "REV"),
        ),
    ),
    Command(
        "new",
        "write the scaffold of a post",
        (
            Option("slug", "one lower-case word", metavar="SLUG", positional=True, required=True),
            Option("kind", "paper, capstone or design", metavar="KIND", required=True),
        ),
    ),
)


def parser(functions: Mapping[str, Callable[..., int | None]]) -> argparse.ArgumentParser:
    """The command line. `functions` has, by name, the function of each command, which takes its options by name."""
    whole = argparse.ArgumentParser(prog="lockstep", description="Keeps prose and results in step.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = commands.add_parser(command.name, help=command.help, description=command.help)
        added.set_defaults(function=functions[command.name], command=command)
        for option in command.options:
            option.add_to(added)
    return whole


def values(given: argparse.Namespace) -> dict[str, Any]:
    """What was given, by the names of the options."""
    return {option.name: getattr(given, option.name) or option.usual for option in given.command.options}
