"""Where the runs of a post happen, and where what they make is kept: published, smoke, or in a folder elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lockstep.project.post import Post
from lockstep.record.store import Store


@dataclass(frozen=True)
class Profile:
    """Published in the project, smoke in a temporary folder. `commits`: runs are of a commit that a reader will see."""

    post: Post
    scratch: Path
    store: Store
    commits: bool = True

    def fetch(self, digest: str) -> Path | None:
        """An artefact from the store, or the same bytes from what the post publishes; None where it is not at hand."""
        return self.store.get(digest) or self.post.published(digest)

    def has(self, digest: str) -> bool:
        """Is an artefact at hand, in the store or published?"""
        return self.store.has(digest) or self.post.published(digest) is not None

    @classmethod
    def published(cls, post: Post) -> Profile:
        return cls(post, scratch_of(post), post.project.store)

    @classmethod
    def smoke(cls, post: Post, folder: Path) -> Profile:
        """Everything under `folder`."""
        return cls(post.smoked(folder / "content"), folder / "scratch", Store(folder / "store"), commits=False)

    @classmethod
    def elsewhere(cls, post: Post, folder: Path) -> Profile:
        """Published runs, kept whole under `folder`, from where `merge` takes them into another clone."""
        store = Store(folder / "store", fallback=post.project.store)
        return cls(post.placed(folder / post.slug), folder / ".scratch" / post.slug, store)


def scratch_of(post: Post) -> Path:
    """Where unfinished work lies: beside the store where that has a place of its own, else in the project."""
    if (store := os.environ.get("LOCKSTEP_STORE")) and not post.project.store.url:
        return Path(store).resolve() / "scratch" / post.slug
    return post.project.root / ".lockstep" / "scratch" / post.slug
