"""The layout of a post's picture, 1200 × 630: title above; below it the card's picture beside the numbers, or the first
number as large as it goes, with the others under it."""

from __future__ import annotations

import io
import re
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 1200, 630, 72
INNER = WIDTH - 2 * MARGIN
PAPER, INK, MUTED, RULE, ACCENT = "#fbfaf7", "#1c1b1a", "#625e57", "#dcd8d0", "#a8330c"  # as in site.css, light
PICTURE = (720, 378)  # as large as the post's own picture goes
HERO, GAP = 156, 24  # the size of the number, and its distance from what belongs to it
COLOURS = 64  # text on paper has few; the file is a third of what it would be
REGULAR, SEMIBOLD = 400, 600
_APOSTROPHE = re.compile(r"(?<=\w)'")


class Card:
    """Draws with one variable font. Text is laid out plainly, which no library of the machine can change."""

    def __init__(self, font: Path):
        self.path = font
        self.image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self._fonts: dict[tuple[int, int], ImageFont.FreeTypeFont] = {}

    def png(self, says: dict[str, Any]) -> bytes:
        """The picture of `site`, `kind`, `title`, `numbers` and `text`."""
        self.pen.rectangle((0, 0, WIDTH, 9), fill=ACCENT)
        self.text((MARGIN, 84), self.printable(says["site"]), 28, SEMIBOLD)
        self.text((WIDTH - MARGIN, 84), self.printable(says["kind"]), 28, colour=MUTED, anchor="rs")
        numbers = [number for number in says["numbers"] if self.has(number["value"] + number["words"])]
        if says.get("picture"):
            self.title(says["title"], 42, 2, 148)
            self.beside(Path(says["picture"]), numbers)
        elif numbers:
            self.title(says["title"], 44, 2, 156)
            self.hero(numbers[0], 382 if numbers[1:] else 420)
            self.others(numbers[1:], 562)
        else:
            bottom = self.title(says["title"], 84, 3, 236)
            self.paragraph(says["text"], bottom + 70)
        content = io.BytesIO()
        few = self.image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(content, "PNG")
        return content.getvalue()

    def title(self, title: str, size: int, lines: int, baseline: int) -> int:
        """As many lines as there is room for; returns where the last one stands."""
        bottom = baseline
        for number, line in enumerate(self.wrapped(title, size, SEMIBOLD, lines)):
            bottom = baseline + round(number * size * 1.2)
            self.text((MARGIN, bottom), line, size, SEMIBOLD)
        return bottom

    def hero(self, number: dict[str, str], baseline: int) -> None:
        """The number, its spread and unit smaller beside it, a line in the accent colour under it; then its words."""
        value, rest = parts(number["value"])
        wide = self.width(value, HERO, SEMIBOLD) + GAP + self.width(rest, HERO * 2 // 5, REGULAR)
        size = min(HERO, HERO * INNER // wide)
        self.text((MARGIN, baseline), value, size, SEMIBOLD)
        end = MARGIN + self.width(value, size, SEMIBOLD)
        if rest:
            self.text((end + GAP, baseline), rest, size * 2 // 5)
            end += GAP + self.width(rest, size * 2 // 5, REGULAR)
        self.pen.rectangle((MARGIN, baseline + 22, end, baseline + 27), fill=ACCENT)
        words = self.wrapped(number["words"], 36, REGULAR, 1)
        self.text((MARGIN, baseline + 78), words[0], 36, colour=MUTED)

    def beside(self, picture: Path, numbers: list[dict[str, str]]) -> None:
        """The post's own picture, and its numbers to the right of it."""
        left, top, (width, height) = MARGIN, HEIGHT - MARGIN // 2 - PICTURE[1], PICTURE
        with Image.open(picture) as drawn:
            self.image.paste(drawn.convert("RGB").resize(PICTURE, Image.Resampling.LANCZOS), (left, top))
        self.pen.rectangle((left - 1, top - 1, left + width, top + height), outline=RULE)
        column, baseline = left + width + 40, top + 84
        for number in numbers:
            value, rest = parts(number["value"])
            self.text((column, baseline), value, 72, SEMIBOLD)
            self.text((column + self.width(value, 72, SEMIBOLD) + 12, baseline), rest, 28)
            self.pen.rectangle(
                (column, baseline + 14, column + self.width(value, 72, SEMIBOLD), baseline + 17), fill=ACCENT
            )
            for line in self.wrapped(number["words"], 26, REGULAR, 3, WIDTH - MARGIN - column):
                baseline += 34
                self.text((column, baseline + 22), line, 26, colour=MUTED)
            baseline += 120

    def others(self, numbers: list[dict[str, str]], baseline: int) -> None:
        """Up to two more numbers side by side, under a thin line."""
        if not numbers:
            return
        self.pen.rectangle((MARGIN, baseline - 62, WIDTH - MARGIN, baseline - 61), fill=RULE)
        column = INNER // len(numbers)
        for position, number in enumerate(numbers):
            left = MARGIN + position * column
            self.text((left, baseline), number["value"], 34, SEMIBOLD)
            words = self.wrapped(number["words"], 25, REGULAR, 1, column - 24)
            self.text((left, baseline + 36), words[0], 25, colour=MUTED)

    def paragraph(self, text: str, baseline: int) -> None:
        for number, line in enumerate(self.wrapped(text, 36, REGULAR, 4)):
            self.text((MARGIN, baseline + number * 50), line, 36, colour=MUTED)

    def wrapped(self, text: str, size: int, weight: int, lines: int, width: int = INNER) -> list[str]:
        """The text in at most so many lines, with an ellipsis where it goes on."""
        done, line = [], ""
        for word in self.printable(text).split():
            if not line or self.width(f"{line} {word}", size, weight) <= width:
                line = f"{line} {word}".strip()
                continue
            done.append(line)
            line = word
        done.append(line)
        if len(done) > lines:
            done[lines - 1] += " …"
        return [self.cut(line, size, weight, width) for line in done[:lines]]

    def cut(self, line: str, size: int, weight: int, width: int) -> str:
        """A line that fits: whole words where more than one does, else as much of the word as does."""
        while len(line) > 1 and self.width(line, size, weight) > width:
            line = line.removesuffix("…").rstrip()
            line = (line.rpartition(" ")[0] + " …") if " " in line else line[:-1] + "…"
        return line

    def text(
        self, at: tuple[int, int], text: str, size: int, weight: int = REGULAR, colour: str = INK, anchor: str = "ls"
    ) -> None:
        self.pen.text(at, text, fill=colour, font=self.font(size, weight), anchor=anchor)

    def width(self, text: str, size: int, weight: int) -> int:
        return round(self.font(size, weight).getlength(text))

    def font(self, size: int, weight: int) -> ImageFont.FreeTypeFont:
        if (size, weight) not in self._fonts:
            font = ImageFont.truetype(str(self.path), size, layout_engine=ImageFont.Layout.BASIC)
            wanted = {b"Weight": weight, b"Optical Size": size}
            axes: Any = font.get_variation_axes()
            values = [min(max(wanted.get(a["name"], a["default"]), a["minimum"]), a["maximum"]) for a in axes]
            font.set_variation_by_axes(values)
            self._fonts[size, weight] = font
        return self._fonts[size, weight]

    def printable(self, text: str) -> str:
        """Without the characters that the font lacks: boxes would stand in their place."""
        whole = unicodedata.normalize("NFC", _APOSTROPHE.sub("’", " ".join(text.split())))
        return "".join(character for character in whole if character == " " or self.has(character))

    def has(self, text: str) -> bool:
        """Does the font have every character?"""
        return all(c.isspace() or self._drawn(c) != self._missing for c in text)

    @cached_property
    def _missing(self) -> bytes:
        return self._drawn("\uffff")

    def _drawn(self, character: str) -> bytes:
        box = Image.new("L", (60, 60))
        ImageDraw.Draw(box).text((5, 5), character, fill=255, font=self.font(40, REGULAR))
        return box.tobytes()


def parts(value: str) -> tuple[str, str]:
    """The number, and what belongs to it: `159.4` and `± 5.1 nats`, `8.61` and `%`."""
    number, _, rest = value.partition(" ")
    return number, rest.strip()
