"""The small model of the page: reads question and columns, and points at what it copies (Vinyals et al., 2015).

It writes a query as actions: an aggregate, a column, then for each condition a sign, a column, and the first and the
last piece of the value in the question, and at last END. A column is pointed at by the mark before its name. So every
query is whole and names columns that exist, and every value is a part of the question, as it is written there.

Two stacks of the same blocks as the large model: an encoder in which all positions see each other, and a decoder that
goes on from the encoder's states with the actions taken so far.

Shapes: B questions, S pieces of question and columns, N actions, W keywords; others as in model.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from posts.asksql.model import Llama, Shape
from posts.asksql.sketch import AGGREGATES, SIGNS, Sketch

PAD, UNKNOWN, COLUMN = 0, 1, 2  # pieces: nothing, one never seen, and the mark before a column
SPECIAL = ["<pad>", "<unknown>", "<column>"]
END = len(AGGREGATES)  # the keywords before it are the aggregates
SIGN = {sign: END + 1 + i for i, sign in enumerate(SIGNS)}
BEGIN = END + 4  # what stands before the first action
KEYWORDS = END + 5
MOST_CONDITIONS = 6


@dataclass(frozen=True)
class Source:
    """A question and its columns as pieces, with the place of each question piece in the text."""

    text: str
    columns: tuple[str, ...]
    pieces: list[int]
    spans: list[tuple[int, int]]  # of the pieces of the question, which come first
    marks: list[int]  # where the columns begin


def train_pieces(texts: Sequence[str], size: int) -> Tokenizer:
    """Byte-pair pieces of lower-cased words; signs and digits stand alone, so that a value begins and ends at one."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def spoken(column: str) -> str:
    """A plain name as words."""
    return column.replace("_", " ").strip()


def source(tokenizer: Tokenizer, text: str, columns: Sequence[str]) -> Source:
    """What the model sees of a question and the columns of its table."""
    asked = tokenizer.encode(text)
    pieces, marks = list(asked.ids), []
    for column in columns:
        marks.append(len(pieces))
        pieces += [COLUMN, *tokenizer.encode(spoken(column)).ids]
    return Source(text, tuple(columns), pieces, list(asked.offsets), marks)


def actions(at: Source, query: Sketch) -> list[int] | None:
    """The query as actions: keywords from 0, places among the pieces from KEYWORDS. None where it cannot be written."""
    found = [AGGREGATES.index(query.aggregate), KEYWORDS + at.marks[at.columns.index(query.column)]]
    first = {span[0]: i for i, span in reversed(list(enumerate(at.spans)))}
    last = {span[1]: i for i, span in enumerate(at.spans)}
    lowered = at.text.lower()
    for column, sign, value in query.conditions:
        begin = lowered.find(value.lower()) if len(lowered) == len(at.text) else at.text.find(value)
        while begin >= 0 and not (begin in first and begin + len(value) in last):
            begin = lowered.find(value.lower(), begin + 1)
        if begin < 0 or not value:
            return None
        found += [SIGN[sign], KEYWORDS + at.marks[at.columns.index(column)]]
        found += [KEYWORDS + first[begin], KEYWORDS + last[begin + len(value)]]
    return [*found, END]


def sketch(at: Source, taken: Sequence[int]) -> Sketch:
    """Undo `actions`, of a whole query."""
    names = dict(zip(at.marks, at.columns, strict=True))
    signs = {number: sign for sign, number in SIGN.items()}
    conditions = []
    for i in range(2, len(taken) - 1, 4):
        sign, column, begin, end = taken[i : i + 4]
        value = at.text[at.spans[begin - KEYWORDS][0] : at.spans[end - KEYWORDS][1]]
        conditions.append((names[column - KEYWORDS], signs[sign], value))
    return Sketch(AGGREGATES[taken[0]], names[taken[1] - KEYWORDS], tuple(conditions))


def allowed(at: Source, taken: Sequence[int], width: int) -> list[bool]:
    """Which of the `width` keywords and pieces may come next."""
    free = [False] * (KEYWORDS + width)
    step = len(taken)
    if step == 0:
        free[: len(AGGREGATES)] = [True] * len(AGGREGATES)
    elif step == 1 or (step - 2) % 4 == 1:
        for mark in at.marks:
            free[KEYWORDS + mark] = True
    elif (step - 2) % 4 == 0:
        free[END] = True
        if at.spans and step < 2 + 4 * MOST_CONDITIONS:
            free[END + 1 : BEGIN] = [True] * len(SIGNS)
    else:
        begin = taken[-1] if (step - 2) % 4 == 3 else KEYWORDS
        free[begin : KEYWORDS + len(at.spans)] = [True] * (KEYWORDS + len(at.spans) - begin)
    return free


class CopyDecoder(nn.Module):
    """Scores of the next action over keywords and pieces, from pieces and the actions before."""

    def __init__(self, pieces: int, shape: Shape, decoder_layers: int):
        super().__init__()
        self.encoder = Llama(replace(shape, vocabulary=pieces))
        self.decoder = Llama(replace(shape, layers=decoder_layers, vocabulary=KEYWORDS))
        self.pointing = nn.Linear(shape.d_model, shape.d_model, bias=False)

    def encode(self, pieces_BS: Tensor) -> Tensor:
        """States (B, S, E); every position sees every piece."""
        seen_BSS = (pieces_BS != PAD)[:, None].expand(-1, pieces_BS.shape[1], -1)
        return self.encoder(pieces_BS, mask_BTS=seen_BSS)

    def decode(self, pieces_BS: Tensor, states_BSE: Tensor, taken_BN: Tensor) -> Tensor:
        """Scores (B, N, W + S) after each action of `taken_BN`, which begins with BEGIN."""
        s, n = pieces_BS.shape[1], taken_BN.shape[1]
        pointed_BNE = states_BSE.gather(
            1, (taken_BN - KEYWORDS).clamp(0, s - 1)[..., None].expand(-1, -1, states_BSE.shape[2])
        )
        keyword_BNE = self.decoder.embedding(taken_BN.clamp(max=BEGIN))
        before_BNE = torch.where(taken_BN[..., None] < KEYWORDS, keyword_BNE, pointed_BNE)
        x_BTE = torch.cat([states_BSE, before_BNE], dim=1)
        real_B1S = (pieces_BS != PAD)[:, None]
        over_pieces = real_B1S.expand(-1, s + n, -1)
        over_actions = torch.cat([torch.zeros(s, n), torch.ones(n, n).tril()]).bool().expand(len(pieces_BS), -1, -1)
        length_B1 = (pieces_BS != PAD).sum(dim=1, keepdim=True)  # actions stand right after the real pieces
        positions_BT = torch.cat([torch.arange(s).expand(len(pieces_BS), s), length_B1 + torch.arange(n)], dim=1)
        mask_BTS = torch.cat([over_pieces, over_actions], dim=2)
        after_BNE = self.decoder(x_BTE, positions_BT, mask_BTS)[:, s:]
        words_BNW = self.decoder.logits(after_BNE)
        places_BNS = self.pointing(after_BNE) @ states_BSE.transpose(1, 2) / math.sqrt(states_BSE.shape[2])
        return torch.cat([words_BNW, places_BNS], dim=2)


@torch.no_grad()
def write(model: CopyDecoder, at: Source) -> tuple[Sketch, float]:
    """The likeliest actions one after the other as a query, and the log-probability of all of them in nats."""
    pieces_1S = torch.tensor([at.pieces])
    states_1SE = model.encode(pieces_1S)
    taken: list[int] = []
    total = 0.0
    while not taken or taken[-1] != END:
        free = torch.tensor(allowed(at, taken, len(at.pieces)))
        scores = model.decode(pieces_1S, states_1SE, torch.tensor([[BEGIN, *taken]]))[0, -1]
        log_p = scores.masked_fill(~free, -math.inf).log_softmax(dim=-1)
        taken.append(int(log_p.argmax()))
        total += float(log_p[taken[-1]])
    return sketch(at, taken), total
