"""What the theme carries of others' work is what its lock says."""

import gzip
import hashlib
import tomllib

import pytest
from fontTools.ttLib import TTFont


def locked(pytestconfig, kind):
    return tomllib.loads((pytestconfig.rootpath / "theme/vendor.toml").read_text())[kind]


def held_to_the_lock(root, paths, entries, licence):
    """These files are exactly the ones that the entries name, with their digests."""
    by_place = {entry["to"]: entry for entry in entries}
    assert {str(path.relative_to(root)) for path in paths} == set(by_place)
    for path in paths:
        entry = by_place[str(path.relative_to(root))]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["made"]
        assert len(entry["sha256"]) == 64
        assert entry["licence"] == licence


def test_every_font_in_the_repository_is_the_one_that_the_lock_names(pytestconfig):
    root = pytestconfig.rootpath
    fonts = [*(root / "theme/static/fonts").glob("*.woff2"), *(root / "code/lockstep/fonts").glob("*.ttf")]
    held_to_the_lock(root, fonts, locked(pytestconfig, "font"), "OFL-1.1")


def test_every_vendored_file_is_the_one_that_the_lock_names_with_its_licence_beside_it(pytestconfig):
    root = pytestconfig.rootpath
    found = [path for path in (root / "theme/static/vendor").rglob("*") if path.is_file()]
    licences = [path for path in found if path.name == "LICENSE.txt"]
    held_to_the_lock(root, [path for path in found if path not in licences], locked(pytestconfig, "file"), "MIT")
    folders = {path.parent for path in found}
    assert {path.parent for path in licences} == folders
    assert all("mit license" in path.read_text().lower() for path in licences)


@pytest.mark.parametrize("packed", ["onnxruntime-web/ort-wasm-simd-threaded.wasm.gzip", "sql.js/sql-wasm.wasm.gzip"])
def test_the_packed_runtimes_are_webassembly(pytestconfig, packed):
    content = (pytestconfig.rootpath / "theme/static/vendor" / packed).read_bytes()
    assert gzip.decompress(content)[:4] == b"\0asm"


def test_the_mathematics_font_can_stretch_brackets(pytestconfig):
    font = TTFont(pytestconfig.rootpath / "theme/static/fonts/stix-two-math.woff2")
    assert "MATH" in font
    left = font.getBestCmap()[ord("(")]
    variants = font["MATH"].table.MathVariants
    assert left in variants.VertGlyphCoverage.glyphs
