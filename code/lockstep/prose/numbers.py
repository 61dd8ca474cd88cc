"""Numbers in a text, told apart: measured quantities, which something must bind, from names, places and idioms.

Quantities are decimals, percentages, multiples, fractions, powers, spreads, and whatever has a unit, in digits or in
words. Names are versions, dates, addresses, sections, theorems, shapes and counts: "five seeds", "PyTorch 2.13".
Every look to the left or to the right of a number is bounded, so that the cost is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

WINDOW = 48  # characters looked at beside a number
_S = "[ \t\n\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000]{0,3}"  # any space, or none
_SUPER = "[⁺⁻]?[⁰¹²³⁴-⁹]+"
_ONES = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_LARGE = "hundred|thousand|million|billion|trillion"
_WORD = rf"(?:(?:{_TENS})(?:[- ](?:{_ONES}))?|{_ONES}|{_LARGE})"
_WORDS = rf"{_WORD}(?:(?:[- ]| and ){_WORD}){{0,4}}"
_PARTS = "third|quarter|fifth|sixth|seventh|eighth|ninth|tenth|twelfth|twentieth|hundredth|thousandth|millionth"
_PERCENT = r"(?:[%‰‱]|(?:percent|per cent|per mille|percentage points?|percentiles?)(?!\w))"
_RATE = r"[A-Za-z]{1,20}(?:/| per )(?:s|second|min|minute|h|hour|day)(?![\w/])"
_UNIT = (
    r"(?:nats?|bits?|bytes?|[num\u00b5\u03bc]?s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|days?"
    r"|[kKMGTP]i?B|[kMGTPE]?FLOP(?:s|S|/s)?|[kMGT]?Hz|[kMGm]?W|[kMG]?Wh|k?J|MJ|m?V|mA|[num\u00b5\u03bcck]?m(?=[\s.,;:!?)]|$)|[mk]g"
    r"|[€$£¥]|USD|EUR|GBP|points?|pp|dB|epochs|updates|parameters|°(?:\s?[CF])?|℃|℉|million|billion|trillion|thousand)"
)
_VERSIONED = (
    r"Python|CPython|PyPy|NumPy|SciPy|PyTorch|torch|torchvision|TensorFlow|Keras|JAX|Flax|scikit-learn|pandas|Pillow"
    r"|matplotlib|transformers|tokenizers|safetensors|sacre(?:BLEU|bleu)|fairseq|Triton|CUDA|cuDNN|cuBLAS|NCCL|ROCm|MKL"
    r"|oneDNN|OpenBLAS|OpenMP|ONNX(?: Runtime)?|opset|WebAssembly|WebGPU|WebGL|OpenGL|Vulkan|Dask|Ray|Spark|Redis"
    r"|PostgreSQL|SQLite|MySQL|Kafka|Docker|Kubernetes|Slurm|Linux|Ubuntu|Debian|Fedora|macOS|Windows|Android|iOS"
    r"|kernel|glibc"
    r"|GCC|Clang|LLVM|Java|JavaScript|Node(?:\.js)?|npm|Rust|Go|Julia|Apache|Apache Licen[cs]e|GPL|LGPL|AGPL|MPL"
    r"|BSD|MIT|CC BY(?:-[A-Z]{2})*|HTTPS?|TLS|SSL|SSH|IPv|USB|PCIe|HDMI|Bluetooth|Unicode|UTF|CSS|HTML|SVG|ES"
    r"|ECMAScript|CommonMark|WCAG|ARIA|Pelican|Jinja|Markdown|pytest|hypothesis|ruff|pyright|git|Git|Chrome|Chromium|Firefox"
    r"|Safari|OpenAPI|JSON Schema|TOML|YAML|Parquet|Arrow|protobuf|gRPC|C\+\+|C|Fortran|SQL|ISO|IEC|IEEE|RFC|DIN|PEP"
)
_PLACED = (
    r"sections?|secs?\.|§§?|tables?|tabs?\.|figures?|figs?\.|equations?|eqs?\.|eqns?\.|formulas?|chapters?|chap\.|ch\."
    r"|appendix|appendices|app\.|algorithms?|alg\.|listings?|theorems?|thm\.|lemmas?|lem\.|corollar(?:y|ies)|cor\."
    r"|propositions?|prop\.|definitions?|def\.|remarks?|examples?|exercises?|problems?|assumptions?|claims?|conjectures?"
    r"|parts?|volumes?|vol\.|pages?|pp?\.|lines?|rows?|columns?|steps?|phases?|rules?|items?|questions?|no\.|nos\.|№"
    r"|versions?|ver\.|releases?|v"
)
_NEXT = rf"(?:,? and |, ?| or | to |–|-)[A-Z]?[1-9][\d.]*(?!{_S}(?:{_PERCENT}|{_UNIT}(?!\w))|[\w.]|{_S}[±×])"
_NAMES = re.compile(
    rf"(?<![\w-])(?:(?i:{_PLACED})|(?:{_VERSIONED}))[ \u00a0\u202f-]?(?:[A-Z]\.?|v)?\(?\d(?:[\d.]*\d)?(?:{_NEXT})*"
    r"|(?<![\w.])\d+(?:\.\d+){2,}(?!\w)"  # 127.0.0.1, 2.13.1, 10.06.2014
    r"|(?<![\w/])\d{1,4}/\d{1,2}/\d{2,4}(?![\w/])|(?<!\d)\d{1,2}:\d\d(?::\d\d)?(?!\d)"
    r"|(?i:arXiv)[: ]{0,2}\d{4}\.\d{4,5}(?:v\d+)?|(?i:doi)[: ]{0,2}10\.\d{4,9}/\S{1,80}|(?<![\w/])24/7(?![\w/])"
    r"|https?://\S{1,200}|(?<!\d)\d{3}0s\b|(?<=\bthe )\d0s\b|(?<=\bthe )’\d0s\b"
)
_NUMBER = re.compile(r"[+−-]?(?:\d+(?:[.,]\d+)*|\.\d+)")
_NAMED = re.compile(
    r"(?:[\w_]|[A-Za-z][-–]|\w[./:@#]|[\w)\]]\^|[A-Za-z]\()\Z"
)  # before a number that is part of a name
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
_RIGHT = [  # what may follow a number, with what the whole then is
    (re.compile(rf"{_S}±{_S}\d[\d.,]*(?:{_S}(?:{_PERCENT}|{_UNIT}(?!\w)))?"), "a value with its spread"),
    (re.compile(rf"{_S}{_PERCENT}"), "a percentage"),
    (re.compile(rf"[eE][+−-]?\d+(?!\w)|{_S}[×·]{_S}10(?:{_SUPER}|\^\{{?[+−-]?\d+\}}?)"), "a power of ten"),
    (re.compile(rf"{_SUPER}|\^\{{?[+−-]?\d+\}}?"), "a power"),
    (re.compile(rf"{_S}×(?!{_S}\d|\w)|x(?!\w)(?!{_S}\d)|{_S}times(?!\w)|-?fold(?!\w)(?! cross)"), "a multiple"),
    (re.compile(r"[/⁄]\d+(?![\w/]|-bit)|[¼-¾⅐-⅞]"), "a fraction"),
    (re.compile(r"[kKMBT](?![\w-])"), "a rounded number"),
    (re.compile(rf"{_S}(?:{_RATE}|{_UNIT}(?!\w))|{_S}orders? of magnitude"), "a number with a unit"),
]
_PHRASES = [
    (rf"\b{_WORDS}[- ](?:percent|per cent|percentage points?)\b", "a percentage in words"),
    (rf"\b{_WORDS}[- ](?:{_PARTS})s?\b(?!-)|\bone[- ]half\b(?!-)", "a fraction in words"),
    (rf"\ba (?:{_PARTS})(?= (?:of|the|as|more|less|fewer|that)\b)", "a fraction in words"),
    (rf"\b{_WORDS}[- ]times\b", "a multiple in words"),
    (rf"\b(?:{_WORD}|several|many|hundreds?|thousands?)-?fold\b", "a multiple in words"),
    (rf"\b(?:an?|{_WORDS}|several|many) orders? of magnitude\b", "a multiple in words"),
    (rf"\b{_WORDS} (?:nats|bits|bytes|(?:milli)?seconds|minutes|hours|(?:giga|mega|tera)bytes|watts)\b", "words"),
    (r"\b(?:halved?|halving|doubled|doubling|tripled|tripling|quadrupled|quadrupling)\b", "a multiple in words"),
    (r"\b(?:twice|thrice|half|halves|doubles?|triples?|quadruples?)\b", "a multiple in words"),
]
_QUANTITIES = re.compile("|".join(f"(?P<p{i}>{pattern})" for i, (pattern, _) in enumerate(_PHRASES)), re.IGNORECASE)
_DIGIT = re.compile("[0-9¼-¾⅐-⅞]")
_QUANTIFYING = re.compile(  # a part of every phrase above, so that most texts are looked at once
    rf"(?i:per ?cent|times|fold|half|halv|twice|thrice|doubl|tripl|quadrupl|magnitude|nats|bits|bytes|watts|{_PARTS}"
    "|seconds|minutes|hours)"
)
_OBJECT = r"[ \n](?:the|that|those|its|their|this|these|what|as|every|each|our|it|them|all|both)\b"
_IDIOMS: dict[str, tuple[str, str]] = {  # what a word may stand after, or before, and be no quantity
    "sixty seconds": (r"\bin\s\Z", ""),
    "twice": (
        r"\b(?:think|thinks|thinking|thought|look|looks|looking|once or|once and)\s\Z",
        r"[- ](?:differentiab|continuous)",
    ),
    "half": (
        r"\b(?:first|second|other|latter|former|upper|lower|left|right|top|bottom|front|back|each|either|neither|this"
        r"|later|earlier|inner|outer|better|northern|southern|eastern|western|left-hand|right-hand)[- \n]\Z",
        r"-(?!(?:as|the|of|an?|million|billion|dozen|hour|minute|second|day|size|price)\b)\w"
        r"| (?:precision|open|closed|planes?|spaces?|life|lives|integers?|duplex|normal|Cauchy|heartedly|asleep)\b",
    ),
    "halves": (
        r"\b(?:both|two|the|these|those|its|their|of|into|in|from|left|right|upper|lower|first|equal)\s\Z",
        r" of\b",
    ),
    "halving": (r"\bsuccessive[- \n]\Z", ""),
    "doubles": (r"\b(?:in|as|of|with|to|and|bit|IEEE)\s\Z", ""),
}
_VERBS = {"double", "triple", "triples", "quadruple", "quadruples"}  # which need something that they multiply


@dataclass(frozen=True)
class Quantity:
    """A number that something must bind: where it stands in the text, and what it is."""

    start: int
    end: int
    what: str


def quantities(text: str, shown: frozenset[str] = frozenset()) -> Iterator[Quantity]:
    """Every quantity of a text, in its order. Integers are such where `shown` has them, as digits without commas."""
    found = []
    if _DIGIT.search(text):
        text = _NAMES.sub(lambda match: " " * len(match[0]), text)
        found += _in_digits(text, shown)
    if _QUANTIFYING.search(text):
        found += _in_words(text)
    end = 0
    for one in sorted(found, key=lambda quantity: (quantity.start, -quantity.end)):
        if one.start >= end:
            end = one.end
            yield one


def _in_digits(text: str, shown: frozenset[str]) -> Iterator[Quantity]:
    end = 0
    for match in _NUMBER.finditer(text):
        start = match.start()
        if start < end:
            continue
        left = text[max(0, start - WINDOW) : start]
        if _NAMED.search(left[-3:]) and not (match[0][0] in "+−-" and left[-1:].isdigit()):
            continue
        right = text[match.end() : match.end() + WINDOW]
        if told := _told(match[0].lstrip("+−-"), left, right, shown):
            what, more = told
            end = match.end() + more
            yield Quantity(start, end, what)
    for match in re.finditer("[¼-¾⅐-⅞]", text):
        yield Quantity(match.start(), match.end(), "a fraction")


def _told(number: str, left: str, right: str, shown: frozenset[str]) -> tuple[str, int] | None:
    """What a number is, with how many characters after it belong to it; nothing where it is no quantity."""
    for pattern, what in _RIGHT:
        if (match := pattern.match(right)) and not (what == "a fraction" and _is_no_fraction(number, left)):
            return what, match.end()
    if left[-1:] in "$€£¥" and left:
        return "a price", 0
    if left.rstrip()[-1:] == "±":
        return "a spread", 0
    if _is_decimal(number, left, right):
        return "a decimal", 0
    if number.replace(",", "") in shown and _is_integer(number) and not re.match(r"[\w×/–-]|\.\d", right):
        return ("an integer that a binding of this page shows", 0) if left[-1:] not in tuple("×/–-.") else None
    return None


def _is_no_fraction(number: str, left: str) -> bool:
    return left[-1:] == "/" or bool(re.fullmatch(r"1[89]\d\d|20\d\d", number))


def _is_decimal(number: str, left: str, right: str) -> bool:
    if right[:1].isalpha() or right[:1] in ("(", "_"):  # a name goes on
        return False
    if "." in number:
        return True
    listed = (left[-1:] in ("(", "[", ",") and bool(left)) or right[:1] in (")", "]")
    return number.count(",") == 1 and not _GROUPED.fullmatch(number) and not listed


def _is_integer(number: str) -> bool:
    return number.isdigit() or bool(_GROUPED.fullmatch(number))


def _in_words(text: str) -> Iterator[Quantity]:
    for match in _QUANTITIES.finditer(text):
        word = match[0].lower()
        left, right = text[max(0, match.start() - WINDOW) : match.start()], text[match.end() : match.end() + WINDOW]
        before, after = _IDIOMS.get(word, ("", ""))
        if (before and re.search(before, left, re.IGNORECASE)) or (after and re.match(after, right)):
            continue
        if word in _VERBS and not re.match(_OBJECT, right):
            continue
        if left.endswith("-"):
            continue
        what = _PHRASES[int((match.lastgroup or "p0")[1:])][1]
        yield Quantity(match.start(), match.end(), "a number with a unit, in words" if what == "words" else what)
