"""The stand-in vendor behaves as a vendor does, and its providers as providers must."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.media.inspection import BrokenMedia, inspect
from core.models import Kind
from core.providers import errors
from core.providers.base import Provider, Request, Submission
from core.providers.registry import Catalogue, open_catalogue
from core.settings import Settings
from tests.contract.fakes import Reports
from tests.product import ROOT, free_port
from tests.servers.process import StudioProcess
from tests.servers.provider import Instant, Sketch, StandIn, Studio, install


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    folder = tmp_path_factory.mktemp("studio")
    with StudioProcess(folder, image=(0.02, 0.1), video=(0.02, 0.2), jitter=0.5) as running:
        yield running


def a_request(provider: Provider, kind: Kind, asset_id: str) -> Request:
    capability = next(each for each in provider.capabilities() if each.kind == kind)
    width, height = capability.ratios["1:1"]
    seconds = {"seconds": 1} if kind == Kind.VIDEO else {}
    return Request(
        asset_id=asset_id,
        kind=kind,
        prompt="the sea",
        slot=1,
        model=capability.model,
        params={"width": width, "height": height, "seed": 7} | seconds,
    )


def make(provider: StandIn, kind: Kind, asset_id: str, path: Path) -> list[float]:
    """Let a provider make one item to its end; return the progress it reported."""
    report = Reports()

    async def run() -> None:
        try:
            submission = await provider.submit(a_request(provider, kind, asset_id))
            await provider.follow(submission, report)
            await provider.fetch(submission, path)
        finally:
            await provider.close()

    asyncio.run(run())
    return report.shares


MAKES = [
    (Studio, Kind.IMAGE),
    (Studio, Kind.VIDEO),
    (Instant, Kind.IMAGE),
    (Sketch, Kind.IMAGE),
    (Sketch, Kind.VIDEO),
]


@pytest.mark.parametrize(("provider", "kind"), MAKES)
def test_every_file_is_whole_and_no_two_are_the_same(
    vendor: StudioProcess, tmp_path: Path, provider: type[StandIn], kind: Kind
) -> None:
    asset_id = f"whole-{provider.name}-{kind}"
    found = []
    for attempt in ("a", "b"):
        make(provider(vendor.url, poll_seconds=0.02), kind, asset_id, tmp_path / attempt)
        seconds = 1 if kind == Kind.VIDEO else None
        found.append(inspect(tmp_path / attempt, kind, width=64, height=64, seconds=seconds))
    assert found[0].sha256 != found[1].sha256
    account = vendor.ledger()[asset_id]
    assert (account["charges"], account["sketches"]) == ((2, 0) if provider.paid else (0, 2))
    for task in account["tasks"]:
        assert task["status"] == "SUCCEEDED"
        assert task["followed"]
        assert task["downloads"] == 1
    assert len(account["tasks"]) == (2 if provider is Studio else 0)


def test_a_task_tells_how_far_it_is(vendor: StudioProcess, tmp_path: Path) -> None:
    provider = Studio(vendor.url, poll_seconds=0.02)
    reported = make(provider, Kind.VIDEO, "progress", tmp_path / "x")
    assert reported == sorted(reported)
    assert len(reported) > 2


@pytest.mark.parametrize(
    ("fault", "error", "charges"),
    [
        ({"what": "rate_limit", "retry_after": 3}, errors.RateLimited, 0),
        ({"what": "refuse", "status": 503}, errors.ProviderUnavailable, 0),
        ({"what": "refuse", "status": 500}, errors.ProviderUnavailable, 0),
        ({"what": "drop"}, errors.OutcomeUnknown, 1),
        ({"what": "stall", "seconds": 2}, errors.OutcomeUnknown, 1),
        ({"what": "fail"}, errors.GenerationFailed, 1),
    ],
)
@pytest.mark.parametrize("provider", [Studio, Instant])
def test_a_fault_is_the_right_error_and_charged_only_where_the_vendor_took_it(
    vendor: StudioProcess,
    provider: type[StandIn],
    fault: dict[str, Any],
    error: type[errors.ProviderError],
    charges: int,
) -> None:
    asset_id = f"{provider.name}-{sorted(fault.items())}"
    vendor.fault(**fault)
    with pytest.raises(error) as raised:
        make(
            provider(vendor.url, poll_seconds=0.02, timeout=0.5),
            Kind.IMAGE,
            asset_id,
            Path(os.devnull),
        )
    assert vendor.ledger().get(asset_id, {"charges": 0})["charges"] == charges
    if isinstance(raised.value, errors.RateLimited):
        assert raised.value.retry_after == 3


@pytest.mark.parametrize("fault", ["truncate", "garbage"])
@pytest.mark.parametrize(("provider", "kind"), MAKES)
def test_a_spoilt_file_arrives_spoilt(
    vendor: StudioProcess, tmp_path: Path, provider: type[StandIn], kind: Kind, fault: str
) -> None:
    vendor.fault(fault)
    make(provider(vendor.url, poll_seconds=0.02), kind, "spoilt", tmp_path / "x")
    with pytest.raises(BrokenMedia):
        inspect(tmp_path / "x", kind, width=None, height=None, seconds=None)


def test_a_file_that_is_missing_at_first_can_be_fetched_again(
    vendor: StudioProcess, tmp_path: Path
) -> None:
    async def run() -> None:
        provider = Studio(vendor.url, poll_seconds=0.02)
        submission = await provider.submit(a_request(provider, Kind.IMAGE, "missing"))
        resumed = Submission(submission.remote_id)
        await provider.follow(resumed, Reports())
        with pytest.raises(errors.ProviderUnavailable):
            await provider.fetch(resumed, tmp_path / "x")
        await provider.fetch(resumed, tmp_path / "x")
        await provider.close()

    vendor.fault("missing")
    asyncio.run(run())
    account = vendor.ledger()["missing"]
    assert account["charges"] == 1
    assert account["tasks"][0]["downloads"] == 1


def test_a_cancelled_task_ends_cancelled(vendor: StudioProcess) -> None:
    async def run() -> None:
        provider = Studio(vendor.url, poll_seconds=0.02)
        submission = await provider.submit(a_request(provider, Kind.VIDEO, "cancelled"))
        await provider.cancel(submission)
        with pytest.raises(errors.GenerationFailed):
            await provider.follow(submission, Reports())
        await provider.cancel(submission)
        await provider.close()

    asyncio.run(run())
    (task,) = vendor.ledger()["cancelled"]["tasks"]
    assert task["status"] == "CANCELLED"
    assert task["cancelled"]


def test_a_vendor_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    provider = Studio(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(errors.ProviderUnavailable):
        make(provider, Kind.IMAGE, "nobody", tmp_path / "x")


def test_a_vendor_with_few_places_throttles_the_others(tmp_path: Path) -> None:
    with (
        StudioProcess(tmp_path, image=(0, 0.3), concurrency=1) as vendor,
        httpx2.Client(base_url=vendor.url, trust_env=False) as client,
    ):
        order = {"kind": "image", "asset_id": "queue"}
        names = [client.post("/tasks", json=order).json()["id"] for _ in range(3)]
        statuses = [client.get(f"/tasks/{name}").json()["status"] for name in names]
        assert statuses[0] in {"PENDING", "RUNNING"}
        assert statuses[1:] == ["THROTTLED", "THROTTLED"]
        deadline = time.monotonic() + 10
        while client.get(f"/tasks/{names[2]}").json()["status"] != "SUCCEEDED":
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_order_that_is_not_understood_is_not_charged(vendor: StudioProcess) -> None:
    response = httpx2.post(f"{vendor.url}/tasks", json={"asset_id": "bad"}, trust_env=False)
    assert response.status_code == 400
    assert "bad" not in vendor.ledger()


def test_hundreds_of_tasks_at_once_are_carried_and_counted(vendor: StudioProcess) -> None:
    async def run() -> None:
        provider = Studio(vendor.url, poll_seconds=0.5, timeout=60)

        async def one(number: int) -> None:
            request = a_request(provider, Kind.IMAGE, f"load-{number}")
            submission = await provider.submit(request)
            await provider.follow(submission, Reports())

        await asyncio.gather(*(one(number) for number in range(300)))
        await provider.close()

    asyncio.run(run())
    accounts = [value for name, value in vendor.ledger().items() if name.startswith("load-")]
    assert len(accounts) == 300
    assert {account["charges"] for account in accounts} == {1}
    assert all(account["tasks"] for account in accounts)
    assert all(task["followed"] for account in accounts for task in account["tasks"])


def catalogue_with(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str, **others: str
) -> Catalogue:
    monkeypatch.syspath_prepend(install(folder, *names, **others))
    return open_catalogue(Settings(drawing_processes=1))


def test_an_entry_point_adds_a_provider_before_the_built_in_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STANDIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("STANDIN_LIMIT", "7")
    catalogue = catalogue_with(monkeypatch, tmp_path, "instant", "studio")
    image, video = (catalogue.choose(kind) for kind in (Kind.IMAGE, Kind.VIDEO))
    asyncio.run(catalogue.close())
    assert list(catalogue.providers) == ["instant", "studio", "illustrator"]
    assert (image[0].name, image[1].model) == ("instant", "instant-1")
    assert (video[0].name, video[1].model) == ("studio", "clip-1")
    assert image[1].limit == 7
    assert catalogue.broken == {}


def test_a_provider_that_is_not_switched_on_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("STANDIN_URL", raising=False)
    catalogue = catalogue_with(monkeypatch, tmp_path, "studio")
    asyncio.run(catalogue.close())
    assert list(catalogue.providers) == ["illustrator"]
    assert catalogue.broken == {}


def test_a_broken_entry_point_is_named_and_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STANDIN_URL", "http://127.0.0.1:9")
    catalogue = catalogue_with(
        monkeypatch,
        tmp_path,
        "studio",
        absent="tests.servers.provider:absent",
        gone="no_such_module:provider",
    )
    asyncio.run(catalogue.close())
    assert list(catalogue.providers) == ["studio", "illustrator"]
    assert set(catalogue.broken) == {"absent", "gone"}
    assert catalogue.broken["gone"].startswith("ModuleNotFoundError")


def test_another_process_finds_the_provider_by_its_path_alone(tmp_path: Path) -> None:
    look = (
        "from core.providers.registry import open_catalogue; from core.settings import Settings; "
        "print(*open_catalogue(Settings(_env_file=None)).providers)"
    )
    path = os.pathsep.join([str(install(tmp_path, "sketch")), str(ROOT)])
    printed = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "STANDIN_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == ["sketch", "illustrator"]
