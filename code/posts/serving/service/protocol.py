"""What goes over the wire: OpenAI's completions and chat completions, as far as they are served, and errors.

A field that is not served is refused by name: a setting that is silently ignored is a wrong answer.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from lockstep.errors import LockstepError
from tokenizers import Tokenizer

from posts.serving.engine import Event
from posts.serving.sampling import Sampling, json_grammar

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # of the model's own template
MOST_STOPS = 4
Bias = Annotated[float, msgspec.Meta(ge=-100, le=100)]


class BadRequest(LockstepError):
    """A request that says what cannot be; `param` is the field."""

    def __init__(self, message: str, param: str | None = None):
        super().__init__(message)
        self.param = param


class Message(msgspec.Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant", "developer"]
    content: str
    name: str | None = None


class Schema(msgspec.Struct):
    schema: dict[str, Any]
    name: str = ""
    strict: bool | None = None
    description: str | None = None


class Format(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    include_usage: bool = False


class Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What both kinds of request have. `grammar` and `ignore_eos` are ours, as in vLLM."""

    model: str
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    logit_bias: dict[str, Bias] | None = None
    n: Literal[1] = 1
    user: str | None = None
    response_format: Format | None = None
    grammar: str = ""
    ignore_eos: bool = False


class Completion(Asked, kw_only=True, forbid_unknown_fields=True):
    prompt: str | list[int]


class Chat(Asked, kw_only=True, forbid_unknown_fields=True):
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class LoadAdapter(msgspec.Struct, forbid_unknown_fields=True):
    """`canary`: the share of requests that get it, the others the one before. 1 for all."""

    lora_name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    lora_path: str = ""
    canary: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


COMPLETION, CHAT = msgspec.json.Decoder(Completion), msgspec.json.Decoder(Chat)
LOAD = msgspec.json.Decoder(LoadAdapter)
JSON = msgspec.json.Encoder()


def sampling(asked: Asked, vocabulary: int, most: int, seed: int) -> Sampling:
    """How to choose tokens: at most `most`, by the request's own seed or else by this one. Raises BadRequest."""
    stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if len(stops) > MOST_STOPS or not all(stops):
        raise BadRequest(f"stop: up to {MOST_STOPS} texts that are not empty", "stop")
    bias: dict[int, float] = {}
    for token, value in (asked.logit_bias or {}).items():
        if not token.isdigit() or int(token) >= vocabulary:
            raise BadRequest(f"logit_bias: {token} is no token, which are 0 to {vocabulary - 1}", "logit_bias")
        bias[int(token)] = value
    return Sampling(
        max_tokens=most,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=seed if asked.seed is None else asked.seed,
        stop=tuple(stops),
        logit_bias=bias,
        grammar=_grammar(asked),
        ignore_eos=asked.ignore_eos,
    )


def _grammar(asked: Asked) -> str:
    form = asked.response_format
    if form is None or form.type == "text":
        return asked.grammar
    if asked.grammar:
        raise BadRequest("grammar and response_format exclude each other", "grammar")
    if form.type == "json_schema" and form.json_schema is None:
        raise BadRequest("response_format: json_schema needs its schema", "response_format")
    return json_grammar(form.json_schema.schema if form.json_schema else {"type": "object"})


def prompt(asked: Completion | Chat, tokenizer: Tokenizer, vocabulary: int) -> tuple[int, ...]:
    """The tokens to continue. Marks in a client's text are text: only the template writes marks. Raises BadRequest."""
    if isinstance(asked, Completion):
        if isinstance(asked.prompt, str):
            return tuple(tokenizer.encode(asked.prompt).ids)
        if wrong := [token for token in asked.prompt if not 0 <= token < vocabulary]:
            raise BadRequest(f"prompt: {wrong[0]} is no token, which are 0 to {vocabulary - 1}", "prompt")
        return tuple(asked.prompt)
    begin, end = (tokenizer.token_to_id(mark) for mark in ("<|im_start|>", "<|im_end|>"))
    if begin is None or end is None:
        raise BadRequest("this model has no marks for a chat: use /v1/completions", "messages")
    messages = asked.messages
    if messages[0].role not in ("system", "developer"):
        messages = [Message("system", SYSTEM), *messages]
    tokens: list[int] = []
    for message in messages:
        role = "system" if message.role == "developer" else message.role
        tokens += [begin, *tokenizer.encode(f"{role}\n{message.content}").ids, end, *tokenizer.encode("\n").ids]
    return (*tokens, begin, *tokenizer.encode("assistant\n").ids)


def usage(end: Event) -> dict[str, Any]:
    """Counts of a finished request."""
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": end.prompt_tokens + end.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }


class Shape:
    """How the answers to one request are written: whole or in chunks, of either kind."""

    def __init__(self, id: str, asked: Asked):
        self.chat = isinstance(asked, Chat)
        self.told_usage = asked.stream and asked.stream_options is not None and asked.stream_options.include_usage
        kind = ("chat.completion" + ".chunk" * asked.stream) if self.chat else "text_completion"
        prefix = "chatcmpl-" if self.chat else "cmpl-"
        self.head = {"id": prefix + id, "object": kind, "created": int(time.time()), "model": asked.model}

    def whole(self, text: str, end: Event) -> bytes:
        said = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": end.reason}
        return JSON.encode({**self.head, "choices": [choice], "usage": usage(end)})

    def opening(self) -> bytes:
        """Before the first token: in a chat, who speaks."""
        return self._chunk({"delta": {"role": "assistant", "content": ""}}, None) if self.chat else b""

    def part(self, event: Event) -> bytes:
        """A chunk; nothing where there is nothing to say."""
        if not event.text and not event.reason:
            return b""
        said: dict[str, Any] = {"text": event.text}
        if self.chat:
            said = {"delta": {"content": event.text} if event.text else {}}
        return self._chunk(said, event.reason or None)

    def closing(self, end: Event) -> bytes:
        """After the last chunk: the counts where they were asked for, and the end."""
        counted = sse({**self.head, "choices": [], "usage": usage(end)}) if self.told_usage else b""
        return counted + b"data: [DONE]\n\n"

    def _chunk(self, said: dict[str, Any], reason: str | None) -> bytes:
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": reason}
        return sse({**self.head, "choices": [choice], **({"usage": None} if self.told_usage else {})})


def sse(content: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + JSON.encode(content) + b"\n\n"


def error(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
