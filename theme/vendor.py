"""`invoke vendor`: renew what theme/vendor.toml names, from npm packages: files, and fonts cut to what pages need.

Each package is fetched in the version and with the digest that the lock states, and each file written is digested
there in turn: a test holds what is in the repository to it. Building the site needs none of this.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from fontTools.merge import Merger
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "theme" / "vendor.toml"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(package: str, version: str, folder: Path) -> Path:
    """The package's archive, by npm, which must be installed."""
    command = ["npm", "pack", "--silent", f"{package}@{version}"]
    name = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    return folder / name.splitlines()[-1]


def wanted(ranges: list[str]) -> set[int]:
    """Code points of ranges such as "20-7E"."""
    ends = [[int(end, 16) for end in part.split("-")] for part in ranges]
    return {point for first, *last in ends for point in range(first, (last or [first])[0] + 1)}


def cut(paths: list[Path], entry: dict[str, Any]) -> TTFont:
    """One font of the code points that are wanted, its axes limited, its layout and mathematics kept."""
    fonts = [TTFont(path, recalcTimestamp=False) for path in paths]
    options = Options()
    options.layout_features, options.hinting, options.notdef_outline = ["*"], False, True
    for font in fonts:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=wanted(entry["unicodes"]))
        subsetter.subset(font)
    if axes := entry.get("axes"):
        limits = {axis: tuple(limit) if isinstance(limit, list) else limit for axis, limit in axes.items()}
        fonts = [instancer.instantiateVariableFont(font, limits) for font in fonts]
    return fonts[0] if len(fonts) == 1 else merged(fonts)


def merged(fonts: list[TTFont]) -> TTFont:
    """Two subsets of one typeface as one font."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [str(Path(folder) / f"{number}.ttf") for number in range(len(fonts))]
        for font, part in zip(fonts, parts, strict=True):
            font.flavor = None
            font.save(part)
        font = Merger().merge(parts)
    font.recalcTimestamp = False
    font["head"].created, font["head"].modified = fonts[0]["head"].created, fonts[0]["head"].modified
    return font


def unpacked(entry: dict[str, Any], folder: Path) -> Path:
    """The package of an entry, unpacked. Raises SystemExit where it is not the one that is named."""
    archive = fetch(entry["package"], entry["version"], folder)
    if entry["sha256"] and digest(archive) != entry["sha256"]:
        sys.exit(f"{archive.name} has the digest {digest(archive)}: theme/vendor.toml expects {entry['sha256']}")
    entry["sha256"] = digest(archive)
    inside = folder / archive.stem
    with tarfile.open(archive) as packed:
        packed.extractall(inside, filter="data")
    return inside / "package"


def write_font(entry: dict[str, Any], package: Path, target: Path) -> None:
    names = [entry["file"], *([entry["also"]] if "also" in entry else [])]
    font = cut([package / "files" / name for name in names], entry)
    font.flavor = "woff2" if target.suffix == ".woff2" else None
    font.save(target)


def write_file(entry: dict[str, Any], package: Path, target: Path) -> None:
    """A file as it is; packed where the name here ends with .gzip, which no host takes for an encoding of its own."""
    content = (package / entry["file"]).read_bytes()
    target.write_bytes(gzip.compress(content, 9, mtime=0) if target.suffix == ".gzip" else content)


WRITERS = {"font": write_font, "file": write_file}


def main() -> None:
    """Renew every entry, and write the digests into the lock."""
    text = LOCK.read_text(encoding="utf-8")
    head, *parts = re.split(r"(?=^\[\[\w+\]\])", text, flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(parts):
            ((kind, (entry,)),) = tomllib.loads(part).items()
            target = ROOT / entry["to"]
            target.parent.mkdir(parents=True, exist_ok=True)
            WRITERS[kind](entry, unpacked(entry, Path(folder)), target)
            part = re.sub(r'^sha256 = ".*"$', f'sha256 = "{entry["sha256"]}"', part, flags=re.MULTILINE)
            parts[number] = re.sub(r'^made = ".*"$', f'made = "{digest(target)}"', part, flags=re.MULTILINE)
            print(f"{entry['to']}: {target.stat().st_size / 1000:.0f} kB")
    LOCK.write_text(head + "".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
