"""One engine in a process of its own, which measures what it is told to: ours, CTranslate2, llama.cpp.

    python -m posts.serving.studies.rivals ENGINE WEIGHTS FILE
    python -m posts.serving.studies.rivals requantise WEIGHTS FILE MADE

reads lines `decode B` or `prefill T` and answers each with JSON: tokens, and CPU seconds of this process. All decode B
copies of the same prompt greedily, all with one thread, all from the weights of the same file.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from lockstep.errors import LockstepError

PROMPT, WRITTEN = 64, 32  # tokens of each prompt, and written after it
KINDS, SEQUENCES = {"Q4_0": 2, "Q8_0": 7}, 16
SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)


class Rival(Protocol):
    """`decode` writes WRITTEN tokens after each of B prompts that are computed already; both give CPU seconds."""

    def decode(self, batch: int) -> float: ...
    def prefill(self, tokens: int) -> float: ...


def spent(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def prompt(tokens: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(0).integers(3, 250, tokens)]


class Ours:
    """The engine of this post, with everything that it does in service."""

    def __init__(self, weights: str, data: str):
        import torch

        from posts.serving import calibration
        from posts.serving.engine import Engine, Limits
        from posts.serving.weights import random_model, read

        torch.set_num_threads(1)
        base = random_model(0) if data == "tiny" else read({"gguf": np.fromfile(data, np.uint8)})
        limits = Limits(pages=256, sequences=SEQUENCES, budget=512, chunk=512, context=512, share=False)
        self.engine = Engine(calibration.model(base, weights), base, limits)

    def _submit(self, batch: int, tokens: int, written: int) -> None:
        from posts.serving.engine import Request
        from posts.serving.sampling import Sampling

        for number in range(batch):
            asked = Sampling(written, ignore_eos=True)
            self.engine.submit(Request(str(number), tuple(prompt(tokens)), asked))

    def decode(self, batch: int) -> float:
        self._submit(batch, PROMPT, WRITTEN + 1)
        while self.engine.waiting or any(job.pending > 1 for job in self.engine.running):
            self.engine.step()
        return spent(self._finish)

    def prefill(self, tokens: int) -> float:
        self._submit(1, tokens, 1)
        return spent(self._finish)

    def _finish(self) -> None:
        while not self.engine.idle:
            self.engine.step()


class CTranslate2:
    """Its Generator, from a conversion of the same float32 weights. It decodes by whole batches."""

    def __init__(self, weights: str, data: str):
        import ctranslate2

        self.directory = tempfile.TemporaryDirectory()
        converted(data, self.directory.name)
        options: dict[str, Any] = {"compute_type": weights, "inter_threads": 1, "intra_threads": 1}
        self.generator = ctranslate2.Generator(self.directory.name + "/converted", **options)
        self.names = json.loads(Path(self.directory.name, "converted", "vocabulary.json").read_text())

    def _run(self, batch: int, tokens: int, written: int) -> None:
        begun = [[self.names[token] for token in prompt(tokens)]] * batch
        options: dict[str, Any] = {"max_length": written, "min_length": written, "sampling_topk": 1}
        self.generator.generate_batch(begun, include_prompt_in_result=False, max_batch_size=batch, **options)

    def decode(self, batch: int) -> float:
        """The time of prompt and first token, measured apart, is taken off."""
        whole = spent(lambda: self._run(batch, PROMPT, WRITTEN + 1))
        return whole - spent(lambda: self._run(batch, PROMPT, 1))

    def prefill(self, tokens: int) -> float:
        return spent(lambda: self._run(1, tokens, 1))


def converted(data: str, directory: str) -> None:
    """Write the weights of a GGUF file as CTranslate2 reads them, by way of a model of Transformers."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from posts.serving.weights import read

    base = read({"gguf": np.fromfile(data, np.uint8)})
    shape = base.shape
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.d_model,
        intermediate_size=shape.d_ff,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_base},
        rms_norm_eps=shape.eps,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
    )
    theirs: Any = LlamaForCausalLM(config)
    names = {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm", "attention.": "self_attn."}
    state = {}
    for name, w in base.weights.items():
        for old, new in names.items():
            name = name.replace(old, new)
        for part in "qkvo":
            name = name.replace(f"self_attn.{part}.", f"self_attn.{part}_proj.")
        for part in ("gate", "up", "down"):
            name = name.replace(f"mlp.{part}.", f"mlp.{part}_proj.")
        name = name.replace("blocks.", "layers.").replace("embedding.", "embed_tokens.")
        state["model." + name] = w
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"weights do not fit: {missing}, {unexpected}")
    with torch.inference_mode():
        theirs.save_pretrained(directory + "/whole")
    ends = {"eos_token": "<|im_end|>", "bos_token": "<|im_start|>", "unk_token": "<|endoftext|>"}
    PreTrainedTokenizerFast(tokenizer_object=base.tokenizer, **ends).save_pretrained(directory + "/whole")
    TransformersConverter(directory + "/whole").convert(directory + "/converted", quantization="float32")


class Padded(ctypes.Structure):
    """Parameters of llama.cpp, of which only the first numbers are touched: the rest is room for what a version has."""

    _fields_ = (("first", ctypes.c_uint32 * 6), ("rest", ctypes.c_uint8 * 1000))


class Batch(ctypes.Structure):
    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    )


def llama_server() -> str:
    """Where the program llama-server is, with its libraries beside it. Raises LockstepError where there is none."""
    if (program := shutil.which("llama-server")) is None:
        way = "build llama.cpp's target llama-server with CMake, and put its folder build/bin on the PATH"
        raise LockstepError(f"llama.cpp is not at hand: {way}")
    return program


def llama() -> ctypes.CDLL:
    """libllama from beside llama-server, silent, with the types that its functions return."""
    folder = Path(llama_server()).resolve().parent
    load = lambda name: ctypes.CDLL(str(next(folder.glob(name))), mode=ctypes.RTLD_GLOBAL)  # noqa: E731
    load("libggml-base.so*")
    ggml, lib = load("libggml.*so*"), load("libllama.*so*")
    ggml.ggml_backend_load_all_from_path(str(folder).encode())
    lib.llama_log_set(SILENT, None)
    for name in ("llama_model_default_params", "llama_context_default_params", "llama_model_quantize_default_params"):
        getattr(lib, name).restype = Padded
    for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_get_memory", "llama_get_logits_ith"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.llama_batch_init.restype = Batch
    return lib


def requantised(lib: ctypes.CDLL, data: str, path: str, weights: str) -> str:
    """Write the GGUF file `data` to `path` with these weights, as llama.cpp rounds them. Raises ValueError."""
    asked = lib.llama_model_quantize_default_params()
    asked.first[0], asked.first[1] = 1, KINDS[weights]  # threads, kind
    asked.first[4] |= 1  # weights that are quantised already may be again
    if lib.llama_model_quantize(data.encode(), path.encode(), ctypes.byref(asked)):
        raise ValueError(f"llama.cpp could not requantise the file to {weights}")
    return path


class LlamaCpp:
    """libllama by its C interface, on the file requantised to Q4_0 or Q8_0, for which it has its fastest products."""

    def __init__(self, weights: str, data: str):
        self.lib = lib = llama()
        self.directory = tempfile.TemporaryDirectory()
        path = requantised(lib, data, self.directory.name + "/model.gguf", weights)
        model = ctypes.c_void_p(lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params()))
        asked = lib.llama_context_default_params()
        asked.first[:4] = [512 * SEQUENCES, 512, 512, SEQUENCES]  # context, batches, sequences
        self.context = ctypes.c_void_p(lib.llama_init_from_model(model, asked))
        if not self.context:
            raise ValueError(f"llama.cpp does not take {path}")
        lib.llama_set_n_threads(self.context, 1, 1)
        self.batch = lib.llama_batch_init(512, 0, 1)

    def _put(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """Compute rows of token, position, sequence, and whether scores are wanted."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
            batch.seq_id[i][0], batch.logits[i] = sequence, wanted
        if self.lib.llama_decode(self.context, batch):
            raise ValueError("llama.cpp could not compute a batch")

    def _clear(self) -> None:
        memory = ctypes.c_void_p(self.lib.llama_get_memory(self.context))
        self.lib.llama_memory_clear(memory, ctypes.c_bool(True))

    def _best(self, row: int) -> int:
        at = self.lib.llama_get_logits_ith(self.context, row)
        return int(np.ctypeslib.as_array(ctypes.cast(at, ctypes.POINTER(ctypes.c_float)), (49152,)).argmax())

    def decode(self, batch: int) -> float:
        self._clear()
        tokens = prompt(PROMPT)
        for sequence in range(batch):
            self._put([(token, n, sequence, n == PROMPT - 1) for n, token in enumerate(tokens)])

        def write() -> None:
            last = [5] * batch
            for n in range(WRITTEN):
                self._put([(token, PROMPT + n, sequence, True) for sequence, token in enumerate(last)])
                last = [self._best(row) for row in range(batch)]

        return spent(write)

    def prefill(self, tokens: int) -> float:
        self._clear()
        rows = [(token, n, 0, n == tokens - 1) for n, token in enumerate(prompt(tokens))]
        return spent(lambda: [self._put(rows), self._best(tokens - 1)])


MAKERS: dict[str, Callable[[str, str], Rival]] = {"ours": Ours, "CTranslate2": CTranslate2, "llama.cpp": LlamaCpp}


def main() -> None:
    if sys.argv[1] == "requantise":
        weights, data, made = sys.argv[2:]
        requantised(llama(), data, made, weights)
        return
    name, weights, data = sys.argv[1:]
    rival = MAKERS[name](weights, data)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        what, number = line.split()
        seconds = getattr(rival, what)(int(number))
        tokens = int(number) * (WRITTEN if what == "decode" else 1)
        print(json.dumps({"tokens": tokens, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
