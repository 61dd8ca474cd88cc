"""A store under an address: another machine finds there what was made, and what was not finished; no secret is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import fsspec.config
import importlib_metadata  # before any fixture: what imports it takes a place among sys.meta_path
import pytest
from fsspec.implementations.local import LocalFileSystem
from gate import EXPERIMENT, Gate, gated, until
from lockstep.errors import FileError, LockstepError
from lockstep.execute.plan import Selection
from lockstep.execute.profiles import Profile
from lockstep.execute.runner import run_stages
from lockstep.execute.unfinished import Unfinished
from lockstep.project.project import Project
from lockstep.record import ledger, remote
from lockstep.record.address import masked, plain
from lockstep.record.remote import RemoteStore
from lockstep.record.store import Store
from mini import create, edit
from mini import lockstep as command
from moto.server import ThreadedMotoServer

assert importlib_metadata
SECRET = "dont-write-me-down-0123456789"
TRAINED = Selection(frozenset(["train"]))


class Flaky(LocalFileSystem):
    """Every third write fails: one with an error, the next leaves half a file."""

    protocol = "flaky"
    cachable = False
    counts: ClassVar[Counter[str]] = Counter()
    broken = False

    def _fails(self, path: str, content: bytes) -> bool:
        self.counts["writes"] += 1
        if self.counts["writes"] % 3 and not self.broken:
            return False
        self.counts["failed"] += 1
        if self.counts["failed"] % 2 or self.broken:
            raise ConnectionError("the connection was reset")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content[: len(content) // 2])
        return True

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("flaky://"))

    def put_file(self, path1, path2, callback=None, **options):
        if not self._fails(self._strip_protocol(path2), Path(path1).read_bytes()):
            self.makedirs(self._parent(path2), exist_ok=True)
            super().put_file(path1, path2)

    def pipe_file(self, path, value, mode="overwrite", **options):
        if not self._fails(self._strip_protocol(path), value):
            self.makedirs(self._parent(path), exist_ok=True)
            super().pipe_file(path, value)


@pytest.fixture(autouse=True)
def own_store(monkeypatch) -> None:
    monkeypatch.delenv("LOCKSTEP_STORE", raising=False)


@pytest.fixture
def flaky(tmp_path, monkeypatch) -> Path:
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.counts, Flaky.broken = Counter(), False
    monkeypatch.setattr(remote, "WAITS", (0, 0, 0))
    monkeypatch.setenv("LOCKSTEP_STORE", f"flaky://{tmp_path}/far")
    return tmp_path / "far"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server of S3 on loopback, and the address of a bucket there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    own = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "somebody"}
    own |= {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in own.items():
            patched.setenv(name, value)
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket/lockstep"
        server.stop()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.close()


def lines(root: Path) -> list[ledger.Line]:
    found = ledger.read(root / "content/mini/results")
    assert found.problems == []
    return list(found.lines.values())


def file(folder: Path, content: str) -> Path:
    (path := folder / "file").write_text(content)
    return path


def test_a_store_in_a_folder_needs_no_fsspec(tmp_path):
    code = "import sys; from lockstep.cli import main; main(['run', 'mini.train']); print('fsspec' in sys.modules)"
    done = command(create(tmp_path / "mini"), code=code, LOCKSTEP_STORE=str(tmp_path / "store"))
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
    assert list((tmp_path / "store").glob("*/*"))


def test_what_is_not_installed_and_what_is_no_address_are_told(tmp_path, monkeypatch):
    with pytest.raises(LockstepError, match="the store nowhere://x is no address that fsspec knows"):
        RemoteStore("nowhere://x", tmp_path).has("0" * 64)
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(LockstepError, match=r'reached by .* not installed \(fsspec\): pip install "lockstep-blog\[clu'):
        RemoteStore("s3://bucket", tmp_path).has("0" * 64)


def test_what_one_machine_puts_into_a_bucket_another_gets(s3, tmp_path):
    ours, theirs = RemoteStore(s3, tmp_path / "ours"), RemoteStore(s3, tmp_path / "theirs")
    digest = ours.put(file(tmp_path, "weights"))
    assert theirs.has(digest)
    got = theirs.get(digest)
    assert got is not None
    assert got.read_text() == "weights"
    assert got.is_relative_to(tmp_path / "theirs")
    assert theirs.get("0" * 64) is None
    ours.write("legs/key/0.json", b"{}")
    assert theirs.read("legs/key/0.json") == b"{}"
    ours.remove("legs/key")
    assert theirs.read("legs/key/0.json") is None
    ours.remove("legs/key")  # again, where nothing is


def test_a_bucket_that_is_not_there_is_told_in_a_line(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "WAITS", ())
    with pytest.raises(FileError, match=r"s3://gone/x/\w\w/\w+:1: cannot be written \(.*\): mend that") as caught:
        RemoteStore("s3://gone/x", tmp_path / "front").put(file(tmp_path, "weights"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_planner_that_is_killed_leaves_its_run_to_another_host_and_no_secret(s3, gate, tmp_path):
    ours, theirs = (gated(tmp_path / name, gate, "[0]", legs=2) for name in ("ours", "theirs"))
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"LOCKSTEP_STORE": s3}
    run = [sys.executable, "-m", "lockstep", "run", "mini.train"]
    bucket = fsspec.filesystem("s3", use_listings_cache=False)
    with (tmp_path / "said").open("wb") as said:
        killed = subprocess.Popen(run, cwd=ours, env=environment, stdout=said, stderr=said)
        waiting = gate.next()
        until(lambda: bucket.glob("bucket/lockstep/unfinished/*/last"), "a copy of the checkpoint")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert waiting.ended()
        assert subprocess.run(run, cwd=theirs, env=environment, stdout=said, stderr=said, timeout=120).returncode == 0
    begun = (theirs / "content/mini/results/train/seed=0/begun.csv").read_text().split()
    assert begun == ["at", "0", "2"]  # the second host found two steps done, and passed no gate
    [line] = lines(theirs)
    assert bucket.exists(f"bucket/lockstep/{line.artefacts['weights.txt'][:2]}/{line.artefacts['weights.txt'][2:]}")
    assert bucket.glob("bucket/lockstep/legs/*/0.json")
    assert not bucket.glob("bucket/lockstep/unfinished/*/*")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert [name for name in bucket.find("bucket") if SECRET.encode() in bucket.cat_file(name)] == []


def test_a_run_reads_what_another_host_made_from_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_STORE", f"file://{tmp_path}/store")
    ours = create(tmp_path / "ours")
    run_stages(Profile.published(Project(ours).post("mini")), TRAINED)
    theirs = Path(shutil.copytree(ours, tmp_path / "theirs", ignore=shutil.ignore_patterns(".lockstep")))
    made = run_stages(Profile.published(Project(theirs).post("mini")), Selection(frozenset(["evaluate"])))
    assert [line.status for line in made] == ["done"] * 3


def test_of_a_store_that_fails_every_third_write_nothing_is_lost_and_nothing_recorded_twice(
    flaky, tmp_path, monkeypatch
):
    root, plainly = create(tmp_path / "mini"), create(tmp_path / "plainly")
    for project in (root, plainly):
        edit(project, EXPERIMENT, "seed=range(3)", "seed=range(7)")
    made = run_stages(Profile.published(Project(root).post("mini")), TRAINED)
    assert Flaky.counts["failed"] >= 2  # one of each kind
    other = RemoteStore(f"flaky://{flaky}", tmp_path / "other")
    for digest in {digest for line in made for digest in line.artefacts.values()}:
        assert other.get(digest) is not None
    monkeypatch.delenv("LOCKSTEP_STORE")
    run_stages(Profile.published(Project(plainly).post("mini")), TRAINED)
    assert sorted(line.text() for line in lines(root)) == sorted(line.text() for line in lines(plainly))
    assert len(made) == 7


def test_a_store_that_stays_away_is_told_in_a_line_a_run_and_the_next_command_goes_on(flaky, tmp_path):
    root, Flaky.broken = create(tmp_path / "mini"), True
    with pytest.raises(LockstepError) as caught:
        run_stages(Profile.published(Project(root).post("mini")), TRAINED)
    told = str(caught.value).splitlines()
    assert len(told) == 3
    assert all("cannot be written (the connection was reset): mend that, and do it again" in line for line in told)
    assert lines(root) == []
    Flaky.broken = False
    assert len(run_stages(Profile.published(Project(root).post("mini")), TRAINED)) == 3


def test_what_is_half_in_the_store_is_not_got_and_is_put_again(tmp_path):
    store = RemoteStore(f"file://{tmp_path}/far", tmp_path / "front")
    digest = store.put(file(tmp_path, "weights"))
    far = tmp_path / "far" / digest[:2] / digest[2:]
    far.write_text("wei")
    assert RemoteStore(store.url, tmp_path / "other").get(digest) is None
    RemoteStore(store.url, tmp_path / "front").put(file(tmp_path, "weights"))
    assert far.read_text() == "weights"


def test_unfinished_work_is_taken_up_where_it_is_further_than_what_lies_here(tmp_path):
    def scratch(name: str, seconds: float) -> Path:
        (folder := tmp_path / name).mkdir()
        (folder / "attempt.json").write_text(json.dumps({"seconds": seconds}))
        (folder / "checkpoint").write_text(name)
        return folder

    kept = Unfinished(Store(tmp_path / "store"), "key")
    assert not kept.restore(tmp_path / "none")
    kept.copy(scratch("far", 2.0), leg=1)
    assert not kept.restore(ahead := scratch("ahead", 3.0))
    assert (ahead / "checkpoint").read_text() == "ahead"
    assert not kept.restore(tmp_path / "none", leg=0)
    assert kept.restore(behind := scratch("behind", 1.0), leg=1)
    assert (behind / "checkpoint").read_text() == "far"
    assert json.loads((behind / "leg").read_text()) == [1, None]
    kept.copy(scratch("farther", 4.0), leg=1)
    assert len(list((tmp_path / "store/unfinished/key").iterdir())) == 2  # the record, and one checkpoint
    kept.clear()
    assert not kept.restore(tmp_path / "none")


@pytest.mark.parametrize(
    "address",
    [
        f"s3://somebody:{SECRET}@bucket/x",
        f"s3://somebody:se/{SECRET}@bucket",
        f"s3://bucket/x?secret_access_key={SECRET}",
        f"abfs://box@account.dfs.core.windows.net/x?sig={SECRET}",
        f"tcp://host:8786?token={SECRET}",
    ],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(address):
    with pytest.raises(LockstepError, match="holds a secret") as caught:
        plain(address, "the store")
    assert SECRET not in str(caught.value)
    assert SECRET not in masked(f"cannot reach {address}: refused")


def test_an_address_without_a_secret_is_taken_as_it_is():
    for address in ("s3://bucket/a/b", "abfs://box@account.dfs.core.windows.net/x", "tls://host:8786", "file:///a/key"):
        assert plain(address, "the store") == masked(address) == address


def test_no_message_shows_what_the_environment_or_the_configuration_holds(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"secret": "from-a-file-0123"})
    assert masked(f"signed with {SECRET} and from-a-file-0123") == "signed with *** and ***"
    monkeypatch.setenv("LOCKSTEP_STORE", f"s3://me:{SECRET}@bucket")
    with pytest.raises(LockstepError, match="holds a secret"):
        Project(Path.cwd())
