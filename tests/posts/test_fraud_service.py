"""The service of the post fraud: the journal, decisions, roll-out, drift, alerts, HTTP and its stores."""

import asyncio
import json
import shutil
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep.errors import LockstepError
from posts.fraud import drills, load
from posts.fraud.batch import features
from posts.fraud.data import simulate, transactions
from posts.fraud.features import DAY, NAMES
from posts.fraud.load import install, payment
from posts.fraud.model import Settings, fit, predict
from posts.fraud.protocol import split
from posts.fraud.service import __main__ as program
from posts.fraud.service import compact
from posts.fraud.service.alerts import ALERTS, prometheus_rules
from posts.fraud.service.app import App
from posts.fraud.service.decide import Costs, expected_cost, threshold
from posts.fraud.service.drift import Drift, alarm, bins
from posts.fraud.service.engine import Engine, Refused, Transaction
from posts.fraud.service.journal import FileJournal, frame
from posts.fraud.service.metrics import Metrics, dashboard
from posts.fraud.service.registry import Registry
from posts.fraud.service.rollout import CANARY_SHARE, ENOUGH_FRAUDS, Comparison, Rollout, in_canary
from posts.fraud.service.stores import open_journal
from posts.fraud.service.train import examples, train
from posts.fraud.studies import stores
from posts.fraud.windows import Windows

msgspec.json.Decoder(Windows)  # reads its annotations now: tests of other projects take the posts' modules away
WEEK = 7 * DAY
SMALL = Settings(trees=10, leaves=7, learning_rate=0.2, smallest_leaf=20)


@pytest.fixture(scope="module")
def world():
    return transactions(simulate(0, customers=200, terminals=400, days=95))


@pytest.fixture(scope="module")
def model(world):
    return fit(features(world, WEEK), world.fraud_N, SMALL, 0)


@pytest.mark.parametrize("name", [name for name in drills.DRILLS if name not in ("redis_killed",)])
def test_a_drill_ends_as_promised(name, world, model, tmp_path, monkeypatch):
    monkeypatch.setattr(stores.stores, "PATIENCE", 1.5)
    assert drills.DRILLS[name](drills.Scene(tmp_path / "drill", world, model, 0))["kept"] == 1


def test_real_time_priority_is_asked_of_the_scheduler_and_its_refusal_is_told(monkeypatch):
    asked = []
    monkeypatch.setattr(load.os, "sched_setscheduler", lambda *what: asked.append(what))
    load.go_first()
    assert [(who, policy) for who, policy, _ in asked] == [(0, load.os.SCHED_FIFO)]
    monkeypatch.setattr(load.os, "sched_setscheduler", lambda *_: (_ for _ in ()).throw(PermissionError()))
    with pytest.raises(LockstepError, match="CAP_SYS_NICE"):
        load.go_first()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="Redis is not installed: its journal is not tried")
def test_redis_may_be_killed(tmp_path):
    assert stores.killed("redis", tmp_path)["kept"] == 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=40), max_size=5), max_size=6), st.integers(0, 400))
def test_a_journal_cut_anywhere_keeps_every_record_before_the_cut(tmp_path_factory, batches, cut):
    path = tmp_path_factory.mktemp("journal") / "journal.bin"
    journal = FileJournal(path)
    ends, written = [path.stat().st_size], []
    for batch in batches:
        journal.commit(batch)
        for record in batch:
            ends.append(ends[-1] + len(frame(1, record)))
            written.append(record)
    journal.close()
    whole = path.read_bytes()
    assert len(whole) == ends[-1]
    size = max(ends[0], len(whole) - cut)
    path.write_bytes(whole[:size])
    again = FileJournal(path)
    kept = sum(end <= size for end in ends[1:])
    assert [payload for _, payload in again.read()] == written[:kept]
    again.commit([b"after"])
    assert list(again.read(kept)) == [(kept + 1, b"after")]
    again.close()


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    (tmp_path / "journal.bin").write_bytes(b"my letters")
    with pytest.raises(LockstepError, match="no journal of this service"):
        FileJournal(tmp_path / "journal.bin")
    assert (tmp_path / "journal.bin").read_bytes() == b"my letters"


def test_sqlite_gives_back_what_it_took(tmp_path):
    for expected in (2, 4):
        journal = open_journal("sqlite", tmp_path)
        journal.commit([b"a", b"b"])
        assert journal.sequence == expected
        assert [number for number, _ in journal.read(1)] == list(range(2, expected + 1))
        journal.close()


def test_kafka_keeps_order_and_leaves_out_what_was_sent_twice(tmp_path):
    with stores.kafka(tmp_path) as (where, _, _):
        journal = open_journal(where, tmp_path)
        journal.commit([b"a", b"b"])
        journal.sequence = 0  # as after an attempt whose answer was lost
        journal.commit([b"a", b"b", b"c"])
        again = open_journal(where, tmp_path)
        assert list(again.read()) == [(1, b"a"), (2, b"b"), (3, b"c")]
        journal.close()
        again.close()


def test_an_unknown_journal_names_the_nearest():
    with pytest.raises(LockstepError, match="redis"):
        open_journal("rediss://host/name", None)  # pyright: ignore


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.integers(1, 1_000_000))
def test_the_threshold_is_where_both_actions_cost_the_same(score, cents):
    costs = Costs()
    cheaper = expected_cost(score, cents, True, costs) < expected_cost(score, cents, False, costs)
    assert cheaper == (score > threshold(cents, costs)) or abs(score - threshold(cents, costs)) < 1e-9


def test_the_trainer_sees_what_the_service_counted_to_the_bit(world, tmp_path):
    """Journal, replay, features: the same bits as the features by columns, for every labelled transaction."""
    journal, engine = FileJournal(tmp_path / "journal.bin"), Engine(tmp_path, WEEK)
    labelled, records = 0, []
    for row in range(4000):
        while world.time_N[labelled] + WEEK <= world.time_N[row]:
            records += engine.label(labelled, bool(world.fraud_N[labelled]))
            labelled += 1
        records += engine.decide(drills.app_event(world, row))[1]
    journal.commit(records)
    found, label, _ = examples(journal, WEEK)
    offline = features(world, WEEK)[: len(found)]
    assert labelled == len(found) > 1000
    assert (found.view(np.int64) == offline.view(np.int64)).all()
    np.testing.assert_array_equal(label, world.fraud_N[:labelled])
    digest = train(journal, Registry(tmp_path), WEEK, SMALL)
    scorer, card = Registry(tmp_path).load(digest)
    assert (card.rows, card.frauds) == (labelled, int(label.sum()))
    assert scorer.score(found[5]) == pytest.approx(predict(scorer.booster.model_to_string(), found[5:6])[0], abs=1e-15)
    journal.close()


def test_a_changed_model_file_is_refused_and_an_unknown_digest_named(model, tmp_path):
    digest = install(tmp_path, model)
    registry = Registry(tmp_path)
    with pytest.raises(LockstepError, match="no models begin"):
        registry.find("0000")
    path = registry.directory / f"{digest}.txt"
    path.write_text(path.read_text().replace("leaf_value=", "leaf_value=", 1) + "\n")
    with pytest.raises(LockstepError, match="has changed since"):
        registry.load(digest)


def test_a_snapshot_and_the_rest_of_the_journal_make_the_same_state(world, model, tmp_path):
    journal, engine = FileJournal(tmp_path / "journal.bin"), Engine(tmp_path, WEEK)
    journal.commit(engine.move("all", install(tmp_path, model)))
    for row in range(600):
        journal.commit(engine.decide(drills.app_event(world, row))[1])
        if row == 300:
            made = compact.opened(tmp_path, journal, WEEK)
            compact.write(made, tmp_path)
    again = compact.opened(tmp_path, journal, WEEK)
    assert again.digest() == engine.digest()
    path = tmp_path / compact.SNAPSHOT
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(LockstepError, match="damaged"):
        compact.opened(tmp_path, journal, WEEK)
    journal.close()


def test_models_go_through_every_gate_and_back(world, model, tmp_path):
    engine = Engine(tmp_path, WEEK)
    first = install(tmp_path, model)
    second = install(tmp_path, fit(features(world, WEEK), world.fraud_N, SMALL, 1))
    engine.move("all", first)
    with pytest.raises(Refused, match="goes to canary from shadow"):
        engine.move("canary", second)
    engine.move("shadow", second)
    with pytest.raises(Refused, match="gate to canary is closed"):
        engine.move("canary", second)
    engine.rollout.comparison.frauds = ENOUGH_FRAUDS
    engine.move("canary", second)
    engine.rollout.comparison.frauds = ENOUGH_FRAUDS
    engine.move("all", second)
    assert (engine.rollout.champion, engine.rollout.former) == (second, first)
    engine.move("back")
    assert engine.rollout.champion == first
    with pytest.raises(Refused, match='no step is called "shaddow"'):
        engine.move("shaddow", second)


def test_a_canary_has_its_share_of_cards_and_a_card_keeps_its_model():
    rollout = Rollout(champion="a", challenger="b", stage="canary")
    chosen = [card for card in range(20_000) if rollout.decides(card) == "b"]
    assert len(chosen) / 20_000 == pytest.approx(CANARY_SHARE, rel=0.1)
    assert all(in_canary(card) for card in chosen)


def test_alike_models_are_left_and_lopsided_ones_are_not():
    alike, wild = Comparison(), Comparison()
    rng = np.random.default_rng(0)
    for _ in range(20_000):
        both = rng.random() < 0.008
        alike.decided(both or rng.random() < 0.001, both or rng.random() < 0.001)
        wild.decided(True, bool(both))
        assert not alike.must_go_back()
    assert wild.must_go_back()


def test_drift_is_silent_on_the_same_distribution_and_sees_another():
    rng = np.random.default_rng(0)
    reference = {"amount": bins(rng.normal(size=50_000))}
    watch = Drift(reference, 50_000, window=1000)
    for value in rng.normal(size=30_000):
        watch.observe({"amount": value})
        assert not watch.drifted
    for value in rng.normal(0.5, 1, size=1000):
        watch.observe({"amount": value})
    assert set(watch.drifted) == {"amount"}
    assert alarm(10, 100, 50_000) > alarm(10, 10_000, 50_000), "few transactions say little"


def test_every_alert_and_panel_is_about_a_metric_that_the_service_has():
    names = Metrics().names()
    told = json.dumps(prometheus_rules()) + json.dumps(dashboard(Metrics()))
    import re

    asked = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"fraud_[a-z_]+", told)}
    assert asked <= set(names), asked - set(names)
    assert len(dashboard(Metrics())["panels"]) == len(names)
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def asked(app, *requests):
    async def play():
        return [await drills.ask(app, *request) for request in requests]

    return asyncio.run(play())


def test_http_refuses_what_is_no_payment_and_says_why(world, model, tmp_path):
    app = drills.Scene(tmp_path / "s", world, model, 0).app()
    one = payment(world, 0)
    wrong = [one | {"cents": -1}, one | {"cents": 1.5}, one | {"extra": 1}, {"id": 1}, one | {"card": -1}, [1]]
    answers = asked(app, *(("POST", "/score", content) for content in wrong), ("GET", "/nothing"), ("PUT", "/score"))
    assert [status for status, _ in answers] == [422] * len(wrong) + [404, 404]
    assert all(answer["error"] for _, answer in answers)
    assert app.engine.windows.clock == 0
    assert asked(app, ("POST", "/score", one | {"cents": 0}))[0][0] == 200, "worlds have payments of nothing"


def test_a_blocked_payment_says_why_and_the_journal_has_it(world, model, tmp_path):
    app = drills.Scene(tmp_path / "s", world, model, 0).app()
    (_, calm), (_, blocked) = asked(
        app,
        ("POST", "/score", payment(world, 0) | {"cents": 2000}),
        ("POST", "/score", payment(world, 1) | {"cents": 90_000}),
    )
    assert not calm["blocked"] and not calm["reasons"]
    assert blocked["blocked"] and any("amount" in reason for reason in blocked["reasons"])
    records = [msgspec.msgpack.decode(payload) for _, payload in app.committer.journal.read()]
    assert [record[0] for record in records] == ["m", "t", "t"]


def test_labels_are_taken_once(world, model, tmp_path):
    app = drills.Scene(tmp_path / "s", world, model, 0).app()
    answers = asked(app, ("POST", "/score", payment(world, 0)), *[("POST", "/labels", [[0, True], [99, False]])] * 2)
    assert [answer for _, answer in answers[1:]] == [{"found": 1, "unknown": 1}, {"found": 0, "unknown": 2}]


def test_the_program_tells_a_user_and_never_a_traceback(tmp_path, capsys):
    assert program.main(["train", str(tmp_path), "--journal", "fil"]) == 1
    assert 'no journal is called "fil"' in capsys.readouterr().err
    assert program.main(["train", str(tmp_path)]) == 1
    assert "no labels yet" in capsys.readouterr().err
    assert program.main(["rules"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"][0]["rules"]


def test_the_metrics_page_has_the_decisions(world, model, tmp_path):
    scene = drills.Scene(tmp_path / "s", world, model, 0)
    app: App = scene.app()
    asked(app, ("POST", "/score", payment(world, 0)))
    assert 'fraud_decisions_total{decision="approve"' in app.metrics.text().decode()
    assert app.metrics.names()["fraud_decisions_total"]


def test_an_event_a_day_ahead_of_all_others_is_refused_but_the_first_may_be_anywhere(tmp_path):
    engine = Engine(tmp_path, WEEK)
    engine.decide(Transaction(1, 50 * DAY, 1, 1, 100))
    with pytest.raises(Refused, match="a day or more ahead"):
        engine.decide(Transaction(2, 52 * DAY, 1, 1, 100))
    assert datetime(2018, 4, 1, tzinfo=UTC) == drills.EPOCH
    assert len(NAMES) == 37 and split


def test_load_counts_what_got_no_decision_as_endless():
    async def play():
        seen, closed, done = [], [], asyncio.Event()

        async def serve(reader, writer):
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
                    seen.append(body)
                    status = b"503 Busy" if body == b"bad" else b"200 OK"
                    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")
            except asyncio.IncompleteReadError:
                writer.close()
                await writer.wait_closed()
                closed.append(True)
                if len(closed) == 2:
                    done.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            bodies = [b"good", b"bad", b"good", b"good"]
            latency, failed = await load.send(port, bodies, np.zeros(4), connections=2)
            await done.wait()
            return latency, failed, seen

    latency, failed, seen = asyncio.run(play())
    assert sorted(seen) == [b"bad", b"good", b"good", b"good"]
    assert failed == 1 and np.isinf(latency).tolist() == [False, True, False, False]
    assert (latency[[0, 2, 3]] > 0).all()
