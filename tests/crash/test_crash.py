"""Whatever is killed, whenever: nothing is lost, nothing is paid for twice."""

from pathlib import Path
from typing import Final

import pytest

from core.media.folder import FolderStore
from core.models import AssetState, JobStatus
from core.providers.registry import Catalogue
from core.studio.order import Order
from core.studio.planning import plan
from tests.brokers import Broker
from tests.crash.harness import Plan, Run
from tests.crash.recorder import Recorder, names
from tests.crash.verify import NOTHING, Outcome, violations
from tests.profiles import by_profile
from tests.servers.provider import Studio

ROUNDS: Final = by_profile(6, 100)
SECONDS: Final = by_profile(240.0, 3_600.0)
pytestmark = pytest.mark.timeout(3 * SECONDS)


def crash(folder: Path, *, server: Broker | None = None, odd: int | None = None) -> None:
    plan = Plan(
        rounds=ROUNDS,
        jobs=ROUNDS // 2,
        seed=3,
        seconds=SECONDS,
        end_seconds=SECONDS,
        server=server,
        odd=odd,
    )
    with Run(folder, plan) as run:
        run.run()
    assert run.result.violations == [], run.result.summary()
    assert run.result.kills.total() == ROUNDS, run.result.summary()


def test_nothing_is_lost_or_paid_twice_when_anything_is_killed_and_replies_are_odd(
    tmp_path: Path,
) -> None:
    crash(tmp_path, odd=5)


def test_the_same_over_redis_with_two_workers(tmp_path: Path, redis: Broker) -> None:
    crash(tmp_path, server=redis)


def test_the_same_over_rabbitmq_with_two_workers(tmp_path: Path, rabbitmq: Broker) -> None:
    crash(tmp_path, server=rabbitmq)


def test_the_recorder_knows_whose_items_were_left_behind() -> None:
    recorder = Recorder(lambda: None)

    def note(asset_id: str, **fields: object) -> None:
        change = {"updateDescription": {"updatedFields": fields}}
        recorder._note({"operationType": "update", "documentKey": {"_id": asset_id}, **change})  # noqa: SLF001

    note("a", lease={"owner": "host:11:x", "token": "t1"})
    note("b", lease={"owner": "host:12:y", "token": "t2"})
    note("a", state="running")
    note("c", lease={"owner": "host:11:x", "token": "t3"})
    note("c", state="done")
    killed = recorder.events[-1].at
    assert recorder.orphans(killed, 11) == {"a"}
    assert recorder.recovery("a", killed) is None
    note("a", **{"lease.owner": "host:12:y", "lease.token": "t4"})
    assert recorder.recovery("a", killed) is not None
    assert recorder.states("c") == ["done"]
    assert names("host:12:y", [1, 2, 12]) == 12


def test_the_verification_names_every_breach(tmp_path: Path) -> None:
    job, assets = plan(
        Order(user_id="ana", prompt="x"), Catalogue({"studio": Studio("http://127.0.0.1:9")})
    )
    broken = job.model_copy(update={"status": JobStatus.COMPLETED})
    states = [AssetState.DONE, AssetState.UNKNOWN, AssetState.FAILED, AssetState.RUNNING]
    assets = [
        asset.model_copy(update={"state": state, "attempts": 1})
        for asset, state in zip(assets, states, strict=False)
    ]
    task = {"status": "SUCCEEDED", "followed": False, "cancelled": False, "downloads": 0}
    (tmp_path / "ana").mkdir()
    for name in ("x.part", "y.png", f"{assets[1].id}.png"):
        (tmp_path / "ana" / name).touch()
    found = violations(
        Outcome(
            jobs=[(broken, assets)],
            notices=[],
            ledger={
                assets[0].id: NOTHING | {"charges": 2, "tasks": [task]},
                assets[1].id: NOTHING | {"charges": 1, "answered": 1, "tasks": [task]},
                assets[2].id: NOTHING | {"charges": 1, "answered": 1},
                "stranger": NOTHING | {"charges": 1},
            },
            content=FolderStore(tmp_path),
            states={assets[0].id: ["done", "queued"]},
        )
    )
    for sentence in (
        "is Completed, but items are",
        "is Completed, but its items are",
        "has files, but no time",
        "has the notices []",
        f"{assets[0].id}: was charged 2 times, 1 allowed",
        f"{assets[0].id} (done): nobody followed",
        f"{assets[0].id}: is done, but FileNotFoundError",
        f"{assets[0].id}: was done and went on",
        f"{assets[1].id}: is unknown, though it was answered",
        f"{assets[2].id}: failed by our own mistake",
        f"{assets[2].id}: failed, though the answer had its file",
        "stranger: was charged, but is no item of ours",
        "x.part: was left half written",
        "y.png",
    ):
        assert any(sentence in each for each in found), (sentence, found)
    assert len(found) == 14, found
