"""What the theme carries of others' work is what its lock says."""

import hashlib
import tomllib

from fontTools.ttLib import TTFont


def locked(pytestconfig):
    return tomllib.loads((pytestconfig.rootpath / "theme/vendor.toml").read_text())["font"]


def test_every_font_in_the_repository_is_the_one_that_the_lock_names(pytestconfig):
    entries = {entry["to"]: entry for entry in locked(pytestconfig)}
    root = pytestconfig.rootpath
    fonts = [*(root / "theme/static/fonts").glob("*.woff2"), *(root / "code/lockstep/fonts").glob("*.ttf")]
    assert {str(path.relative_to(root)) for path in fonts} == set(entries)
    for path in fonts:
        entry = entries[str(path.relative_to(root))]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["made"]
        assert len(entry["sha256"]) == 64
        assert entry["licence"] == "OFL-1.1"


def test_the_mathematics_font_can_stretch_brackets(pytestconfig):
    font = TTFont(pytestconfig.rootpath / "theme/static/fonts/stix-two-math.woff2")
    assert "MATH" in font
    left = font.getBestCmap()[ord("(")]
    variants = font["MATH"].table.MathVariants
    assert left in variants.VertGlyphCoverage.glyphs
