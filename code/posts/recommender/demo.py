"""What the demo in the page loads: films, and for each its nearest by the counting model, as one JSON file.

The films are those with the most ratings in MovieLens latest-small, which may be passed on under its conditions. The
matrix is that of the service's first stage, before it is factorised, for these films alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from posts.recommender.counting import Counting, nearest_only, popularity_counts
from posts.recommender.data import events_of, movies_of
from posts.recommender.service.build import COUNTING

if TYPE_CHECKING:
    from lockstep.run import Run

SCALE = 1000  # similarities are written as whole thousandths of the largest


def publish(run: Run) -> dict[str, Any]:
    """Write films.json and say how large it is, in megabytes.

    {"films": [title…], "genres": [[number…]…], "names": [genre…], "ratings": [count…], "near": [[film, similarity…]…]}
    """
    config = run.config
    events = events_of(run.data(config.movies))
    histories = events.histories()
    counts = popularity_counts(histories)
    kept = np.sort(np.argsort(-counts, kind="stable")[: config.films_shown])
    titles, genres = movies_of(run.data(config.movies), events.item_ids)
    similar = Counting(histories, **COUNTING).similar_II[kept][:, kept]  # type: ignore[arg-type]
    near = nearest_only(similar, config.neighbours_shown)
    largest = near.data.max()
    names = sorted({name for film in kept for name in genres[film]})
    content = {
        "films": [titles[film] for film in kept],
        "names": names,
        "genres": [[names.index(name) for name in genres[film]] for film in kept],
        "ratings": [int(counts[film]) for film in kept],
        "near": [row_of(near, film, float(largest)) for film in range(len(kept))],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    run.demo("films.json").write_text(text, encoding="utf-8")
    return {"megabytes": len(text.encode()) / 1e6}


def row_of(near: Any, film: int, largest: float) -> list[int]:
    """[film, similarity, film, similarity, …], nearest first; what rounds to nothing is left out."""
    low, high = near.indptr[film], near.indptr[film + 1]
    order = np.argsort(-near.data[low:high], kind="stable")
    pairs = [(int(near.indices[low + n]), round(SCALE * float(near.data[low + n]) / largest)) for n in order]
    return [number for pair in pairs if pair[1] > 0 for number in pair]
