"""A small Transformer that has half learnt the captions of the post's grammar, and the stage that publishes it."""

from pathlib import Path

import torch
from posts.transformer.captions import captions, made_captions
from posts.transformer.data import Pairs, encode, train_subwords
from posts.transformer.experiment import Config
from posts.transformer.model import Transformer
from posts.transformer.train import batch_loss, build, halved
from safetensors.torch import save_file


def halves(model: Transformer, path: Path) -> None:
    """Keep a model as training does, and let it compute with what is kept."""
    named = dict(model.named_parameters())
    kept = halved(list(named), list(named.values()))
    save_file(kept, path)
    with torch.no_grad():
        for name, tensor in kept.items():
            named[name].copy_(tensor)


def trained(folder: Path) -> Config:
    """A small model that has learnt the captions of the grammar half-way, and its subwords, as training keeps them."""
    config = Config(
        vocabulary=250, layers=2, d_model=32, d_ff=48, heads=2, d_k=16, dropout=0.0, beam=3, longer=6, longest=64
    )
    pairs = captions()
    tokenizer = train_subwords([text for pair in pairs for text in pair], config.vocabulary)
    (folder / "subwords.json").write_text(tokenizer.to_str(), encoding="utf-8")
    coded = [encode(tokenizer, side, config.longest) for side in zip(*pairs, strict=True)]
    batch = Pairs(*coded).batch(range(len(pairs)))
    model = build(config, tokenizer.get_vocab_size(), torch.Generator().manual_seed(0))
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        adam.zero_grad()
        batch_loss(model, batch, 0.1).backward()
        adam.step()
    halves(model, folder / "averaged.safetensors")
    return config


class Publishing:
    """A run of the stage over one trained run, which is not the only one."""

    def __init__(self, folder: Path, config: Config):
        self.folder, self.config = folder, config
        self.inputs = [Trained(folder, 1), Trained(folder, 0)]
        (folder / "demo").mkdir(exist_ok=True)

    def demo(self, name: str) -> Path:
        return self.folder / "demo" / name

    def data(self, name: str):
        return made_captions.load()


class Trained:
    stage = "train"

    def __init__(self, folder: Path, seed: int):
        self.folder, self.keys = folder, {"seed": seed}

    def open(self, name: str) -> Path:
        assert self.keys == {"seed": 0}
        return self.folder / name
