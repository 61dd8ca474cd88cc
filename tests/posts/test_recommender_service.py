"""The service: indexes that never pad, bundles by digest, drills, replay, and the edges of its HTTP interface."""

import json
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from fakerun import FakeRun
from lockstep.errors import LockstepError
from posts.recommender.data import made_movies
from posts.recommender.experiment import Config, recommender
from posts.recommender.retrieval import Exact, Graph, InvertedFile, lengthened, recall_of
from posts.recommender.service import build, drills, load
from posts.recommender.service.app import Ask, Service, application
from posts.recommender.service.bundle import BundleRefused, in_folder
from posts.recommender.service.bundle import load as load_bundle
from posts.recommender.service.events import EventLog, LogDamaged, State, read, state_of
from posts.recommender.service.pipeline import explored, recommend, replay
from posts.recommender.studies.retrieval import made_vectors
from starlette.testclient import TestClient

SMALL = replace(Config(), **{**recommender.smoke["config"], "movies": "films"})
VECTORS, QUERIES = made_vectors(2000, 10, 16, np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A bundle of made films."""
    place = tmp_path_factory.mktemp("bundle")
    rows = build.build(FakeRun(place, SMALL, made_movies.load()))
    assert [row["stage_of_service"] for row in rows] == ["retrieval", "ranker"]
    return place


@pytest.fixture
def bundle(folder):
    return load_bundle(in_folder(folder))


def test_exact_search_is_a_sort_with_equal_scores_by_number():
    index = Exact(np.array([[1.0], [3.0], [3.0], [2.0]], np.float32))
    numbers, scores = index.search(np.array([1.0], np.float32), 3)
    assert numbers.tolist() == [1, 2, 3] and scores.tolist() == [3, 3, 2]
    assert len(index.search(np.array([1.0], np.float32), 99)[0]) == 4


@pytest.mark.parametrize("kind", [InvertedFile, Graph])
def test_a_short_answer_is_short_and_never_padded(kind):
    """Faiss fills up with −1, which as an index means the last row: a wrong item shown to somebody."""
    index = kind(VECTORS[:90])
    if kind is InvertedFile:
        index.index.nprobe = 1
    numbers, scores = index.search(QUERIES[0], 90)
    assert numbers.min() >= 0 and len(numbers) == len(scores) <= 90
    raw = faiss.IndexIVFFlat(faiss.IndexFlatIP(16), 16, 4, faiss.METRIC_INNER_PRODUCT)
    raw.train(VECTORS[:200])
    raw.add(VECTORS[:90])
    assert raw.search(QUERIES[:1], 90)[1].min() == -1  # what would have come through


def test_the_graph_looks_at_as_many_as_are_asked_for():
    """With efSearch below k, Faiss returns less than it could."""
    graph = Graph(VECTORS, look=4)
    truth = [Exact(VECTORS).search(query, 200)[0] for query in QUERIES]
    assert recall_of([graph.search(query, 200)[0] for query in QUERIES], truth) > 0.9
    assert graph.index.hnsw.efSearch == 200


def test_lengthened_vectors_are_equally_long_and_keep_the_order_of_inner_products():
    rng = np.random.default_rng(0)
    vectors = (VECTORS * np.exp(rng.normal(size=(2000, 1)))).astype(np.float32)
    lengths = np.linalg.norm(lengthened(vectors), axis=1)
    assert lengths == pytest.approx(np.full(2000, lengths[0]), rel=1e-4)
    numbers, scores = Graph(vectors, look=2000, lengthen=True).search(QUERIES[0], 5)
    assert scores == pytest.approx(vectors[numbers] @ QUERIES[0], abs=1e-2)


def test_what_is_no_vector_is_refused_by_every_index():
    for kind in (Exact, InvertedFile, Graph):
        with pytest.raises(LockstepError, match="finite numbers"):
            kind(np.full((100, 4), np.nan, np.float32))
        with pytest.raises(LockstepError, match="vectors \\(N, D\\)"):
            kind(np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("drill", drills.DRILLS, ids=lambda drill: drill.__name__)
def test_drill_ends_as_it_should(drill, folder, tmp_path):
    asked, right = drill(in_folder(folder), tmp_path)
    assert asked > 0 and right == asked


def test_factors_stand_for_the_matrix_they_came_from(folder):
    from posts.recommender.counting import Counting
    from posts.recommender.data import events_of, leave_last_out

    train = leave_last_out(events_of(made_movies.load()).histories()).train
    similar = Counting(train, **build.COUNTING).similar_II
    whole = build.factorised(similar, 79)
    assert whole[0] @ whole[1].T == pytest.approx(similar.toarray(), abs=0.05 * float(similar.data.max()))
    again = build.factorised(similar, 8)
    assert all((one == two).all() for one, two in zip(again, build.factorised(similar, 8), strict=True))


def test_propensities_are_the_frequencies_of_the_choice():
    left, counts = np.array([7, 8, 9]), dict.fromkeys((7, 8, 9), 0)
    told = {}
    for n in range(4000):
        served = explored(np.array([1]), left, 0.3, 3, f"request {n}", "ranked")
        counts[served.items[-1]] += 1
        told[served.items[-1]] = served.propensities
    assert told[7] == [1.0, pytest.approx(0.8)] and told[8] == told[9] == [1.0, pytest.approx(0.1)]
    for item, propensities in told.items():
        assert counts[item] / 4000 == pytest.approx(propensities[-1], abs=0.02)
    assert sum(p[-1] for p in told.values()) == pytest.approx(1)


def test_nothing_taken_or_removed_is_shown(bundle):
    taken = list(range(0, 40, 3))
    state = State({"a": taken, "popular": []}, removed={1, 2, 4})
    for n in range(40):
        for user in ("a", "popular", "nobody"):
            items = recommend(bundle, state, user, f"r{n}", 5).items
            assert len(set(items)) == 5 and not set(items) & {1, 2, 4}
            assert user != "a" or not set(items) & set(taken)


def test_a_replay_finds_the_list_that_was_tampered_with(bundle, tmp_path):
    service = drills.started(bundle, tmp_path / "log")
    drills.ask_all(service, "a")
    assert replay(tmp_path / "log", {bundle.digest: bundle}) == (20, [])
    lines = (tmp_path / "log").read_text().splitlines()
    event = json.loads(lines[-1])
    event["items"][0], event["items"][1] = event["items"][1], event["items"][0]
    (tmp_path / "log").write_text("\n".join([*lines[:-1], json.dumps(event)]) + "\n")
    assert replay(tmp_path / "log", {bundle.digest: bundle}) == (20, ["a-19"])
    assert len(replay(tmp_path / "log", {})[1]) == 20  # an unknown bundle proves nothing


def test_the_log_refuses_a_damaged_middle_and_forgives_a_torn_end(tmp_path):
    path = tmp_path / "log"
    log = EventLog(path)
    log.append({"type": "taken", "user": "a", "item": 3})
    path.write_bytes(path.read_bytes() + b'{"type": "tak')
    assert state_of(path).histories == {"a": [3]}
    EventLog(path)
    assert path.read_bytes().endswith(b"\n")
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    with pytest.raises(LogDamaged, match="log:1"):
        list(read(path))


def test_a_bundle_without_its_manifest_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(BundleRefused, match="build it again"):
        load_bundle(in_folder(tmp_path))


@pytest.fixture
def client(bundle, tmp_path):
    other = drills.another(bundle)
    service = Service({bundle.digest: bundle, other.digest: other}, bundle.digest, tmp_path / "log", "secret")
    with TestClient(application(service)) as client:
        yield client


OPERATOR = {"authorization": "Bearer secret"}


def test_a_list_over_http_is_that_of_the_pipeline_in_the_shops_own_numbers(client, bundle):
    assert client.post("/taken", json={"user": "a", "item": int(bundle.item_ids[3])}).status_code == 204
    answer = client.post("/recommend", json={"user": "a", "request": "r", "k": 5}).json()
    expected = recommend(bundle, State({"a": [3]}), "a", "r", 5)
    assert answer["items"] == bundle.item_ids[expected.items].tolist()
    assert answer["propensities"] == expected.propensities and answer["source"] == "ranked"
    assert 'lists_total{source="ranked"} 1' in client.get("/metrics").text
    assert client.get("/health").json() == {"bundle": bundle.digest, "trouble": "", "served": 1}


def test_wrong_requests_get_one_line_that_says_what_was_expected(client):
    asked = [
        ({"user": 3, "request": "r"}, 400, "Expected `str`"),
        ({"user": "a"}, 400, "missing required field `request`"),
        ({"user": "a", "request": "r", "k": 0}, 400, "1 to 100"),
        ({"user": "a", "request": "r", "kk": 1}, 400, "unknown field"),
        ({"user": "a" * 20_000, "request": "r"}, 413, "at most"),
    ]
    for body, status, message in asked:
        answer = client.post("/recommend", json=body)
        assert answer.status_code == status and message in answer.json()["error"]
    assert client.post("/taken", json={"user": "a", "item": 10**6}).status_code == 404


def test_only_operators_remove_and_release(client, bundle):
    item = int(bundle.item_ids[3])
    for told in (None, b"Bearer wrong", "Bearer ünïcode".encode()):
        header = {} if told is None else {b"authorization": told}
        assert client.delete(f"/items/{item}", headers=header).status_code == 401
        assert client.put("/bundle", json={"digest": "f"}, headers=header).status_code == 401
    assert client.delete(f"/items/{item}", headers=OPERATOR).status_code == 204
    assert client.put("/bundle", json={"digest": "f" * 64}, headers=OPERATOR).status_code == 204
    assert client.get("/health").json()["bundle"] == "f" * 64
    assert client.put("/bundle", json={"digest": ""}, headers=OPERATOR).status_code == 404


def test_a_restart_knows_what_the_log_knows(bundle, tmp_path):
    service = drills.started(bundle, tmp_path / "log")
    before = service.ask(Ask("u3", "same request", 5))
    again = Service({bundle.digest: bundle}, bundle.digest, tmp_path / "log", "secret")
    assert again.ask(Ask("u3", "same request", 5)) == before
    assert again.state.served == 2


def test_latency_is_measured_over_http_from_the_scheduled_send(folder, tmp_path):
    class Made:
        def open(self, name: str) -> Path:
            return folder / name

    run = FakeRun(tmp_path, replace(SMALL, load_requests=15, load_rates=(200,)), {})
    run.inputs = [Made()]
    rows = load.measure(run)
    assert [row["path"] for row in rows] == ["two stages, in the process", "over HTTP, 200 a second"]
    assert all(0 < row["milliseconds"] <= row["milliseconds_p99"] for row in rows)
