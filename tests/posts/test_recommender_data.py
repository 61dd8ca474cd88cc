"""Histories, splits and datasets: what is parsed, what is left out, and what the real files hold."""

import os
from pathlib import Path

import numpy as np
import pytest
from lockstep.catalogue import (
    amazon_beauty,
    amazon_sports,
    amazon_toys,
    movielens_100k,
    movielens_latest_small,
)
from lockstep.errors import LockstepError
from posts.recommender.counting import Counting, Popularity
from posts.recommender.data import (
    SUCCESSORS,
    Histories,
    events_of,
    histories_of,
    leave_last_out,
    made_movies,
    markov_sessions,
    movies_of,
)
from posts.recommender.metrics import rank_all

THREE = Histories(np.array([4, 2, 4, 0, 1, 3, 2, 1]), np.array([0, 4, 5, 8]), 5)


def bytes_of(name: str, content: str) -> dict[str, np.ndarray]:
    return {name: np.frombuffer(content.encode(), np.uint8)}


def test_lines_are_histories_of_items_from_zero():
    histories = histories_of(bytes_of("sequences", "1 5 3 5\n2 1 2\n"))
    assert [histories.of(user).tolist() for user in (0, 1)] == [[4, 2, 4], [0, 1]]
    assert histories.item_count == 5
    with pytest.raises(LockstepError, match="user item item"):
        histories_of(bytes_of("sequences", "1 5 x 5\n"))


def test_what_is_left_out_is_in_no_training_history():
    histories = Histories(np.arange(9), np.array([0, 4, 9]), 9)
    split = leave_last_out(histories)
    assert [split.train.of(user).tolist() for user in (0, 1)] == [[0, 1], [4, 5, 6]]
    assert split.validation.tolist() == [2, 7] and split.test.tolist() == [3, 8]
    assert [split.known.of(user)[-1] for user in (0, 1)] == split.validation.tolist()
    with pytest.raises(LockstepError, match="leaves nothing"):
        leave_last_out(THREE)


def test_recency_weights_the_latest_event_of_an_item_once():
    weights = THREE.matrix(decay=0.5).toarray()
    assert weights[0].tolist() == [1.0, 0, 0.25, 0, 0.5]
    assert THREE.matrix().toarray()[0].tolist() == [1, 0, 1, 0, 1]


def test_a_part_holds_the_same_histories():
    part = THREE.part(1, 9)
    assert len(part) == 2 and part.of(1).tolist() == THREE.of(2).tolist()


def test_ratings_are_read_in_the_order_of_time():
    rows = "userId,movieId,rating,timestamp\n7,30,4.0,200\n7,10,3.5,100\n9,10,1.0,150\n"
    events = events_of(bytes_of("ratings", rows))
    assert events.histories().of(0).tolist() == [0, 1] and events.item_ids.tolist() == [10, 30]
    tabs = events_of(bytes_of("ratings", "7\t30\t4\t200\n7\t10\t3\t100\n9\t10\t1\t150\n"))
    assert tabs.histories().items.tolist() == events.histories().items.tolist()


def test_the_counting_model_comes_near_the_known_optimum_of_made_sessions_and_popularity_does_not():
    split = leave_last_out(histories_of(markov_sessions.load()))
    best = SUCCESSORS @ (1 / np.log2(np.arange(2, 5)))  # NDCG of the three successors in their true order
    counting = rank_all(Counting(split.train, 0.4, 0.0, 1, 0.5), split.known, split.test).ndcg(10).mean()
    popular = rank_all(Popularity(split.train), split.known, split.test).ndcg(10).mean()
    assert 0.93 * best < counting < best + 0.05
    assert popular < 0.3 * best


def test_made_films_have_titles_and_genres():
    events = events_of(made_movies.load())
    titles, genres = movies_of(made_movies.load(), events.item_ids)
    assert len(titles) == len(genres) == len(events.item_ids)
    assert titles[0] == f"Film {events.item_ids[0]}"


COUNTS = {  # users, items, events
    amazon_beauty: (22_363, 12_101, 198_502),
    amazon_toys: (19_412, 11_924, 167_597),
    amazon_sports: (35_598, 18_357, 296_337),
}


def test_real_files_hold_what_their_source_counts_where_the_mirror_is():
    mirrors = [Path(part) for part in os.environ.get("LOCKSTEP_DATA", "").split(os.pathsep) if part]
    if not any((folder / "amazon_5core").is_dir() for folder in mirrors):
        print("not looked at without the mirror: the counts of Amazon and MovieLens files")
        return
    for dataset, expected in COUNTS.items():
        histories = histories_of(dataset.load())
        assert (len(histories), histories.item_count, len(histories.items)) == expected
        assert histories.lengths.min() == 5
    for dataset, expected in {
        movielens_100k: (943, 1682, 100_000),
        movielens_latest_small: (610, 9724, 100_836),
    }.items():
        events = events_of(dataset.load())
        assert (events.users.max() + 1, len(events.item_ids), len(events.items)) == expected
    titles, _ = movies_of(movielens_latest_small.load(), np.array([1]))
    assert titles == ["Toy Story (1995)"]
