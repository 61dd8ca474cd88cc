"""What goes wrong in the translations, counted by rules of thumb that anybody can check by reading them.

Three kinds of content are followed from the English source into German: colours, numbers of things, and whether the
verb agrees with its subject in number. Compounds are asked of the human reference: how many of its long nouns does the
translation have, and does it matter whether training showed them? Each count is made of the human translations as well:
where people leave a colour out, a model may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sacrebleu.metrics.chrf import CHRF

from posts.transformer.data import sentences

if TYPE_CHECKING:
    from lockstep.run import Run

TESTS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
COLOURS = {  # English words, and what any German word for them begins with
    "red": ("rot", "röt"),
    "blue": ("blau",),
    "green": ("grün",),
    "yellow": ("gelb",),
    "black": ("schwarz",),
    "white": ("weiß", "weiss"),
    "brown": ("braun",),
    "orange": ("orange", "orangefarben"),
    "pink": ("rosa", "pink"),
    "purple": ("lila", "violett", "purpur"),
    "gray": ("grau",),
    "grey": ("grau",),
}
# what may stand before a colour in one word: hellblau, rotbraun
SHADES = tuple("hell dunkel knall tief neon schwarz weiß rot blau grün gelb braun grau oliv".split())
NUMBERS = {
    "two": ("zwei", "beide", "paar"),
    "three": ("drei",),
    "four": ("vier",),
    "five": ("fünf",),
    "six": ("sechs",),
    "seven": ("sieben",),
    "eight": ("acht",),
    "nine": ("neun",),
    "ten": ("zehn",),
}
SINGULAR = {"ein", "eine", "der", "das", "jemand"}  # first words of a sentence about one
PLURAL = {
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "mehrere",
    "einige",
    "viele",
    "leute",
    "menschen",
    "männer",
    "frauen",
}
VERBS = {  # third person: of one, of several. Common in the captions and spelt differently
    "steht": "stehen",
    "sitzt": "sitzen",
    "spielt": "spielen",
    "geht": "gehen",
    "läuft": "laufen",
    "hält": "halten",
    "trägt": "tragen",
    "springt": "springen",
    "fährt": "fahren",
    "schaut": "schauen",
    "macht": "machen",
    "blickt": "blicken",
    "posiert": "posieren",
    "arbeitet": "arbeiten",
    "schwimmt": "schwimmen",
    "liegt": "liegen",
    "ist": "sind",
    "hat": "haben",
}
OTHERS = {  # verbs that take another one along, in both numbers: with one of them, VERBS tells nothing of the subject
    *("versucht", "versuchen", "scheint", "scheinen", "lässt", "lassen", "sieht", "sehen", "wird", "werden"),
    *("kann", "können", "will", "wollen", "hilft", "helfen", "lernt", "lernen", "beginnt", "beginnen"),
}
LONG = 12  # letters from which a German noun of these captions is almost always a compound


def tokens(text: str, inside: str = "") -> list[str]:
    """Words as they are written; characters of `inside` do not end one, so that with "-" a high-five is no five."""
    return re.findall(rf"[\w{inside}]+", text)


def words(text: str, inside: str = "") -> list[str]:
    """`tokens` in lower case."""
    return tokens(text.lower(), inside)


def names(word: str, stems: tuple[str, ...]) -> bool:
    """Whether a German word in lower case begins with one of `stems`, at once or after shades."""
    return word.startswith(stems) or any(
        word.startswith(shade) and names(word.removeprefix(shade), stems) for shade in SHADES
    )


def kept(sources: Sequence[str], translations: Sequence[str], known: Mapping[str, tuple[str, ...]]) -> tuple[int, int]:
    """Of the words in `known` that the sources hold: how many have a German word in the translation that
    `names` them, and how many are there."""
    found = there = 0
    for source, translation in zip(sources, translations, strict=True):
        german = words(translation)
        for word in set(words(source, inside="-")) & known.keys():
            there += 1
            found += any(names(token, known[word]) for token in german)
    return found, there


def agreeing(translations: Sequence[str]) -> tuple[int, int]:
    """Of the sentences whose first word tells the number of their subject and whose first verb before any "und" or
    comma is one of VERBS: in how many the verb has that number, and how many there are.

    A capital makes a noun of a verb ("beim Spielen"), and "zu" an infinitive, which has no number.
    """
    singular, plural = set(VERBS), set(VERBS.values())
    known = singular | plural | OTHERS | {"und"}
    found = there = 0
    for translation in translations:
        row = tokens(translation.partition(",")[0])
        places = (i for i in range(1, len(row)) if row[i] in known and row[i - 1] != "zu")
        verb = next((row[i] for i in places), "und")
        one = subject_is_one(row)
        if verb in singular | plural and one is not None:
            there += 1
            found += (verb in singular) == one
    return found, there


def subject_is_one(row: list[str]) -> bool | None:
    """What the first word says of the subject's number, or None. "Ein paar", a few, are several; "ein Paar" is one."""
    first = row[0].lower() if row else ""
    several = first in PLURAL or (first == "ein" and row[1:2] == ["paar"])
    return False if several else True if first in SINGULAR else None


def recalled(
    references: Sequence[str], translations: Sequence[str], training: set[str], *, seen: bool
) -> tuple[int, int]:
    """Of the references' long nouns that training showed (or, with `seen` false, never showed): how many stand in the
    translation of the same sentence, and how many there are. A noun has a capital; the first word of a sentence
    has one anyway and is left out."""
    found = there = 0
    for reference, translation in zip(references, translations, strict=True):
        german = set(words(translation))
        nouns = {word.lower() for word in tokens(reference)[1:] if word[0].isupper() and len(word) >= LONG}
        for word in {noun for noun in nouns if (noun in training) == seen}:
            there += 1
            found += word in german
    return found, there


def count(run: Run) -> list[dict[str, Any]]:
    """Shares in percent over the three test sets together, of the translations and of the human references."""
    made, arrays = run.inputs[0], run.data("captions")
    sources = [text for split in TESTS for text in sentences(arrays, f"{split}_en")]
    references = [text for split in TESTS for text in sentences(arrays, f"{split}_de")]
    ours = [line["averaged_beam"] for split in TESTS for line in made.csv(f"{split}.csv", text=True)]
    training = {word for text in sentences(arrays, "train_de") for word in words(text)}
    rows: list[dict[str, Any]] = []
    for by, texts in (("model", ours), ("people", references)):
        for what, (found, there) in {
            "colours": kept(sources, texts, COLOURS),
            "numbers": kept(sources, texts, NUMBERS),
            "agreement": agreeing(texts),
        }.items():
            rows.append({"what": what, "by": by, "right": share(found, there), "cases": float(there)})
    for what, seen in (("nouns-seen", True), ("nouns-new", False)):
        found, there = recalled(references, ours, training, seen=seen)
        rows.append({"what": what, "by": "model", "right": share(found, there), "cases": float(there)})
    return rows


PLACES = {"90 %": 0.9, "75 %": 0.75, "50 %": 0.5, "25 %": 0.25, "10 %": 0.1}  # of the sentences score lower


def show(run: Run) -> list[dict[str, Any]]:
    """Translations of test 2016 to read, picked by rule and not by hand: those at fixed places in the order of their
    sentence's chrF, then the first of the file that miss a colour, a number and a new long noun. Rows hold them."""
    made, arrays = run.inputs[0], run.data("captions")
    sources, references = (sentences(arrays, f"{TESTS[0]}_{language}") for language in ("en", "de"))
    ours = [line["averaged_beam"] for line in made.csv(f"{TESTS[0]}.csv", text=True)]
    training = {word for text in sentences(arrays, "train_de") for word in words(text)}
    scorer = CHRF()
    scores = [scorer.sentence_score(a, [b]).score for a, b in zip(ours, references, strict=True)]
    order = sorted(range(len(ours)), key=lambda i: scores[i])
    picked = {name: order[int(place * (len(order) - 1))] for name, place in PLACES.items()}
    for name, fails in {
        "a colour is lost": lambda i: lost(kept([sources[i]], [ours[i]], COLOURS)),
        "a number is lost": lambda i: lost(kept([sources[i]], [ours[i]], NUMBERS)),
        "a long noun is missed": lambda i: lost(recalled([references[i]], [ours[i]], training, seen=False)),
    }.items():
        found = next(filter(fails, range(len(ours))), None)
        if found is not None:
            picked[name] = found
    return [
        {"example": name, "english": sources[i], "ours": ours[i], "human": references[i], "chrf_of_sentence": scores[i]}
        for name, i in picked.items()
    ]


def lost(counted: tuple[int, int]) -> bool:
    found, there = counted
    return found < there


def share(found: int, there: int) -> float:
    """In percent; of nothing, everything is right."""
    return 100 * found / there if there else 100.0
