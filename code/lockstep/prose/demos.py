"""What a live demo loads and weighs, and how large a drawing is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from lockstep.errors import LockstepError, QueryError, nearest
from lockstep.project.post import Post
from lockstep.prose.answers import DemoAnswer
from lockstep.record.files import parse_toml, read_text
from lockstep.record.ledger import Line

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_VIEW = re.compile(rf"""<svg\b[^>]*\bviewBox=["']\s*[\d.-]+[ ,]+[\d.-]+[ ,]+{_NUMBER}[ ,]+{_NUMBER}""")


def demo(post: Post, target: str, made: Mapping[str, Line]) -> DemoAnswer:
    """Script, poster and weight of a demo, and the digests of what runs made for it, by place.

    `made` maps the outputs of recorded runs to their lines. Raises QueryError where something of it is missing.
    """
    folder = post.declaration.parent / "demo"
    if not (folder / f"{target}.js").is_file():
        raise QueryError(f"there is no demo {target}{nearest(target, [p.stem for p in folder.glob('*.js')])}")
    published = {place: line.outputs[place] for place, line in made.items() if place.startswith("demo/")}
    poster = f"demo/{target}.svg"
    others = {path.stem for path in folder.glob("*.js")} - {target}
    own = {place: digest for place, digest in published.items() if place[5:].partition(".")[0] not in others}
    digests = {place: digest for place, digest in own.items() if place != poster}
    if not digests:
        raise QueryError(f"the demo {target} has nothing to load: no recorded run wrote to run.demo(…)")
    loaded = [*(post.folder / place for place in digests), *_loaded_besides(post, folder / f"{target}.toml")]
    if gone := [path.name for path in loaded if not path.is_file()]:
        raise QueryError(f"demo/{gone[0]}, which the demo {target} loads, is gone: restore it from git")
    size = sum(path.stat().st_size for path in loaded)
    width, height = svg_size(post.folder / poster) if poster in published else (0, 0)
    return {
        "name": target,
        "script": f"demo/{target}.js",
        "poster": poster if poster in published else "",
        "width": width,
        "height": height,
        "digests": digests,
        "weight": f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{max(1, round(size / 1e3))} kB",
    }


def _loaded_besides(post: Post, path: Path) -> Iterable[Path]:
    """What a demo loads that no run made, such as a runtime: files and folders, from the root of the project."""
    if not path.is_file():
        return
    try:
        places = parse_toml(read_text(path, path.name), path.name).get("loads")
    except LockstepError as error:
        raise QueryError(f'{path.name}: expected loads = ["path from the root", …], found {error}') from None
    if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
        raise QueryError(f'{path.name}: expected loads = ["path from the root", …], found {places!r:.60}')
    for place in places:
        whole = post.project.root / place
        if not whole.exists():
            raise QueryError(f"{path.name} names {place}, which is not there")
        yield from [whole] if whole.is_file() else (one for one in sorted(whole.rglob("*")) if one.is_file())


def svg_size(path: Path) -> tuple[int, int]:
    """Width and height of an SVG in CSS pixels, or those of its view; zeros where it says neither."""
    head = path.read_text(encoding="utf-8", errors="ignore")[:4000] if path.suffix == ".svg" else ""
    sides = [re.search(rf'\b{side}="{_NUMBER}(pt|px)?"', head) for side in ("width", "height")]
    if all(sides):
        width, height = (round(float(m[1]) * (4 / 3 if m[2] == "pt" else 1)) for m in sides if m)
        return width, height
    view = _VIEW.search(head)
    return (round(float(view[1])), round(float(view[2]))) if view else (0, 0)
