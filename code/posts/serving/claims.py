"""The claims of the page: verdict, margin, and the function that names the two sides."""

from __future__ import annotations

from typing import Any

OURS, THEIRS = "ours, int8", "CTranslate2, int8"
LLAMA, EIGHT = "llama.cpp, Q4_0", "llama.cpp, Q8_0"  # its fastest weights, and those nearest to ours
GATE, HTTP = 1.02, 2.0  # perplexity over that in float32; per cent of CPU: both set before the first run


def _speed(measured: Any, engine: str, batch: int) -> Any:
    return measured("speed", stage="contest", what="decode", engine=engine, batch=batch)


def together_faster_than_llama(measured: Any) -> Any:
    """Sixteen at once, our engine writes more tokens per CPU second than llama.cpp with its fastest weights."""
    return _speed(measured, OURS, 16), _speed(measured, LLAMA, 16)


def together_faster_than_llama_in_eight_bits(measured: Any) -> Any:
    """Sixteen at once, our engine writes more tokens per CPU second than llama.cpp with as many bits a weight."""
    return _speed(measured, OURS, 16), _speed(measured, EIGHT, 16)


def together_faster_than_ctranslate2(measured: Any) -> Any:
    """Sixteen at once, our engine writes more tokens per CPU second than CTranslate2 in int8."""
    return _speed(measured, OURS, 16), _speed(measured, THEIRS, 16)


def alone_slower_than_llama(measured: Any) -> Any:
    """Alone, a request is written faster by llama.cpp than by our engine."""
    return _speed(measured, OURS, 1), _speed(measured, LLAMA, 1)


def serves_more_than_llama_server(measured: Any) -> Any:
    """Sixteen clients at once, our server answers more requests in time a second than llama-server."""
    at = {"stage": "together"}
    theirs = measured("goodput", server="llama-server, Q4_0", **at)
    return measured("goodput", server=OURS, **at), theirs


def int8_passes_its_gate(measured: Any) -> Any:
    """In int8 as served, perplexity is less than the gate times that in float32."""
    return measured("perplexity_ratio", stage="parity", recipe="both"), GATE


def rounding_rows_fails(measured: Any) -> Any:
    """With whole rows rounded, perplexity is above the gate."""
    return measured("perplexity_ratio", stage="parity", recipe="rounded rows"), GATE


def eight_bits_closer_than_four(measured: Any) -> Any:
    """In int8 as served, perplexity is lower than with the weights in llama.cpp's four bits."""
    ratio = "perplexity_ratio"
    return measured(ratio, stage="parity", recipe="both"), measured(ratio, stage="parity", recipe="four bits")


def typical_sizes_beat_largest(measured: Any) -> Any:
    """Columns told apart by their typical size give a lower perplexity than by their largest value."""
    ratio, largest = "perplexity_ratio", "both, by largest values"
    return measured(ratio, stage="parity", recipe="both"), measured(ratio, stage="parity", recipe=largest)


def http_is_cheap(measured: Any) -> Any:
    """HTTP, JSON and streams add less CPU than the aim."""
    return measured("overhead", stage="overhead"), HTTP


def _first(measured: Any, policy: str, quantile: int) -> Any:
    return measured(f"first_p{quantile}", stage="router", replicas=100, load=80, policy=policy)


def prefixes_help_most(measured: Any) -> Any:
    """Simulated, a hundred replicas at the higher load: by prefix, the median is shorter than by fewest tokens."""
    return _first(measured, "prefix", 50), _first(measured, "tokens", 50)


def tokens_beat_turns(measured: Any) -> Any:
    """Simulated, a hundred replicas at the higher load: by fewest tokens, the tail is shorter than in turns."""
    return _first(measured, "tokens", 99), _first(measured, "turns", 99)


def requests_mislead(measured: Any) -> Any:
    """Simulated, a hundred replicas at the higher load: by fewest requests, the tail is longer than in turns."""
    return _first(measured, "requests", 99), _first(measured, "turns", 99)


CLAIMS = (
    ("undecided", None, together_faster_than_llama),
    ("greater", None, together_faster_than_llama_in_eight_bits),
    ("greater", None, together_faster_than_ctranslate2),
    ("less", None, alone_slower_than_llama),
    ("greater", None, serves_more_than_llama_server),
    ("less", None, int8_passes_its_gate),
    ("greater", None, rounding_rows_fails),
    ("less", None, eight_bits_closer_than_four),
    ("undecided", None, typical_sizes_beat_largest),
    ("less", None, http_is_cheap),
    ("less", None, prefixes_help_most),
    ("less", None, tokens_beat_turns),
    ("greater", None, requests_mislead),
)
