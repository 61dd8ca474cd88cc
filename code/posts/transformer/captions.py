"""A small parallel text, made by a grammar of its own: image captions in English and German, with the agreement of
gender and case that German asks for. The smoke profile, and with it the tests, run on it."""

from __future__ import annotations

from itertools import product

import numpy as np
from lockstep.datasets import Arrays, Made

WHO = [
    ("A man", "Ein Mann"),
    ("A woman", "Eine Frau"),
    ("A little girl", "Ein kleines Mädchen"),
    ("A boy", "Ein Junge"),
    ("Two children", "Zwei Kinder"),
]
WEARS = [
    ("in a red shirt", "in einem roten Hemd"),
    ("in a blue jacket", "in einer blauen Jacke"),
    ("with a green hat", "mit einem grünen Hut"),
]
DOES = [  # English for one and for several, German for one and for several
    ("is standing", "are standing", "steht", "stehen"),
    ("is sitting", "are sitting", "sitzt", "sitzen"),
    ("is playing", "are playing", "spielt", "spielen"),
]
WHERE = [
    ("on the street", "auf der Straße"),
    ("in front of a house", "vor einem Haus"),
    ("in the park", "im Park"),
    ("on the beach", "am Strand"),
]
SPLITS = {"train": 140, "val": 10, "test_2016_flickr": 10, "test_2017_flickr": 10, "test_2017_mscoco": 10}


def captions() -> list[tuple[str, str]]:
    """All 180 pairs of the grammar, each once, in an order in which neighbours have little in common."""
    pairs = []
    for (who, wer), (wears, traegt), does, (where, wo) in product(WHO, WEARS, DOES, WHERE):
        several = who.startswith("Two")
        pairs.append((f"{who} {wears} {does[several]} {where}.", f"{wer} {traegt} {does[2 + several]} {wo}."))
    return [pairs[i * 77 % len(pairs)] for i in range(len(pairs))]  # 77 shares no factor with 180


def _make() -> Arrays:
    arrays: Arrays = {}
    rest = captions()
    for split, count in SPLITS.items():
        part, rest = rest[:count], rest[count:]
        for language, side in (("en", 0), ("de", 1)):
            text = "".join(pair[side] + "\n" for pair in part)
            arrays[f"{split}_{language}"] = np.frombuffer(text.encode(), np.uint8)
    return arrays


made_captions = Made("captions", _make, licence="MIT, as the code that makes them")
SMOKE = {  # what a run on these captions changes of the settings: a model that trains in seconds
    "config": {"vocabulary": 120, "layers": 1, "d_model": 32, "d_ff": 32, "heads": 2, "d_k": 16, "dropout": 0.1}
    | {"batch_tokens": 512, "updates": 24, "warmup": 8, "peak_rate": 0.01}
    | {"averaged": 3, "average_every": 2, "keep_every": 12, "report_every": 12}
    | {"beam": 3, "exponents": (1.0, 2.0), "longer": 4, "units": 24, "farthest": 4, "path_sentences": 3}
    | {"timed_steps": 2, "timed_sentences": 4, "timed_rounds": 1, "searches": ("ours", "whole prefix")},
    "data": {"captions": made_captions},
    "grid": {"row": ["base", "heads-1"]},
    "variants": {"row": {"base": {}, "heads-1": {"heads": 1, "d_k": 32}}},
}
