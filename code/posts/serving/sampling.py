"""From scores to a token: bias, grammar, temperature, top-p and a seed of the request's own.

A request draws from its own generator, one number a token, so what it gets does not depend on who else is in the batch,
but for scores that differ in the last bits (test_serving_engine.py states how much).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from lockstep.errors import LockstepError
from tokenizers import Tokenizer
from torch import Tensor

HEAD = 256  # of the sorted scores that top-p looks at first


class BadGrammar(LockstepError):
    """A grammar or JSON schema that cannot be used."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. `temperature` 0 takes the best. `grammar` is one of llguidance, or "" for none."""

    max_tokens: int = 16
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    grammar: str = ""
    ignore_eos: bool = False


class Grammars:
    """Compiles grammars for one tokenizer, which is prepared once."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: int, eos: tuple[int, ...]):
        self.tokenizer = LLTokenizer(tokenizer.to_str(), n_vocab=vocabulary, eos_token=list(eos))
        self.vocabulary = vocabulary

    def matcher(self, grammar: str) -> LLMatcher:
        """Raises BadGrammar where it cannot be used."""
        matcher = LLMatcher(self.tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise BadGrammar(f"the grammar cannot be used: {matcher.get_error().strip().splitlines()[0]}")
        return matcher


def json_grammar(schema: Any) -> str:
    """The grammar of JSON that a schema allows. Raises BadGrammar for what is no schema."""
    try:
        return LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults={"whitespace_flexible": False})
    except (ValueError, TypeError) as error:
        raise BadGrammar(f"the JSON schema cannot be used: {error}") from None


class Chooser:
    """Chooses the tokens of one request, in order."""

    def __init__(self, sampling: Sampling, grammars: Grammars):
        self.sampling = sampling
        self.random = np.random.Generator(np.random.Philox(sampling.seed))
        self.matcher = grammars.matcher(sampling.grammar) if sampling.grammar else None
        self.mask = allocate_token_bitmask(1, grammars.vocabulary) if self.matcher else None
        self.plain = not sampling.logit_bias and self.matcher is None
        self.bias = (
            torch.tensor(list(sampling.logit_bias)),
            torch.tensor(list(sampling.logit_bias.values()), dtype=torch.float32),
        )

    def choose(self, logits_V: Tensor) -> int:
        """The next token. Scores may be changed in place."""
        if self.sampling.logit_bias:
            logits_V.index_add_(0, *self.bias)
        if self.matcher is not None and self.mask is not None:
            fill_next_token_bitmask(self.matcher, self.mask)
            bits = np.unpackbits(self.mask.view(np.uint8), bitorder="little", count=len(logits_V))
            logits_V.masked_fill_(torch.from_numpy(bits == 0), float("-inf"))
        token = int(logits_V.argmax()) if self.sampling.temperature == 0 else self._drawn(logits_V)
        if self.matcher is not None:
            self.matcher.consume_token(token)
        return token

    @property
    def finished(self) -> bool:
        """Has the grammar nothing more to say?"""
        return self.matcher is not None and self.matcher.is_stopped()

    def _drawn(self, logits_V: Tensor) -> int:
        p_V = (logits_V.double() / self.sampling.temperature).softmax(dim=0)
        u, top_p = self.random.random(), self.sampling.top_p
        if top_p >= 1:
            return min(int(torch.searchsorted(p_V.cumsum(0), u * p_V.sum())), len(p_V) - 1)
        p_K, token_K = p_V.topk(min(HEAD, len(p_V)))
        if p_K.sum() < top_p:
            p_K, token_K = p_V.sort(descending=True)
        cumulated_K = p_K.cumsum(0)
        last = min(int(torch.searchsorted(cumulated_K, top_p)), len(p_K) - 1)  # the first with which it is reached
        place = int(torch.searchsorted(cumulated_K[: last + 1], u * cumulated_K[last]))
        return int(token_K[min(place, last)])
