"""The contract of every provider that asks a vendor: never paid twice, resumed, truthful."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.media.inspection import BrokenMedia, Inspection, inspect
from core.models import Kind
from core.providers.base import Submission
from core.providers.errors import (
    InvalidCredentials,
    ProviderError,
    ProviderUnavailable,
)
from tests.contract.fakes import Reports
from tests.contract.vendors import VENDORS, Vendor
from tests.contract.world import World

TRIES = 3  # of an item that is paid for and not here yet
resumable = pytest.mark.parametrize(
    "vendor",
    [pytest.param(each, id=each.name) for each in VENDORS if each.resumable],
)


@pytest.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param
    return found


@pytest.fixture
def world(vendor: Vendor) -> Iterator[World]:
    with vendor.open() as opened:
        yield opened


def inspected(path: Path, kind: Kind) -> Inspection:
    return inspect(path, kind, width=None, height=None, seconds=None)


def test_an_item_is_made_and_charged_once(vendor: Vendor, world: World, tmp_path: Path) -> None:
    submission, _, reports = world.make(vendor.request(), tmp_path / "x")
    inspected(tmp_path / "x", vendor.request().kind)
    assert reports.shares == sorted(reports.shares)
    assert bool(submission.remote_id) == vendor.resumable
    assert world.records.charges["a fox"] == 1


@pytest.mark.parametrize(
    ("vendor", "fault", "expected", "retryable"),
    [
        pytest.param(vendor, *refusal, id=f"{vendor.name}-{number}")
        for vendor in VENDORS
        for number, refusal in enumerate(vendor.refusals)
    ],
)
def test_a_refusal_says_what_it_means_and_costs_nothing(  # noqa: PLR0913  # a case of four parts
    vendor: Vendor,
    world: World,
    tmp_path: Path,
    fault: dict[str, Any],
    expected: type[ProviderError],
    *,
    retryable: bool,
) -> None:
    said = {"message": "The vendor's own words."} | fault
    world.refuse(**said)
    error = world.error(vendor.request(), tmp_path / "x")
    assert type(error) is expected
    assert error.retryable is retryable
    if expected.__name__ == "RequestRejected":
        assert said["message"].split(";")[0] in error.message
    assert not world.records.charges
    world.make(vendor.request(), tmp_path / "x")
    assert world.records.charges["a fox"] == 1


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), (None, None), ("nonsense", None)])
def test_the_pause_that_is_asked_for_is_handed_on(
    vendor: Vendor, world: World, tmp_path: Path, said: str | None, seconds: float | None
) -> None:
    world.refuse(status=429, retry_after=said)
    assert world.error(vendor.request(), tmp_path / "x").retry_after == seconds


def test_a_wrong_key_is_named_by_its_setting_and_not_quoted(
    vendor: Vendor, world: World, tmp_path: Path
) -> None:
    world.records.key = "another"
    error = world.error(vendor.request(), tmp_path / "x")
    assert isinstance(error, InvalidCredentials)
    assert vendor.key_setting in error.message


@pytest.mark.parametrize(
    ("what", "charges"),
    [("cut_before", 0), ("slow_before", 0), ("cut_after", 1), ("slow_after", 1)],
)
def test_a_call_without_an_answer_is_sent_again_only_where_it_is_free(
    vendor: Vendor, world: World, tmp_path: Path, what: str, charges: int
) -> None:
    world.fault(what, seconds=1.0)
    error = world.error(vendor.request(), tmp_path / "x", timeout=0.3)
    assert type(error) is vendor.unanswered
    assert error.retryable is not vendor.paid
    assert world.records.charges["a fox"] == charges


def test_a_server_that_is_not_there_costs_nothing(
    vendor: Vendor, world: World, tmp_path: Path
) -> None:
    error = world.error(vendor.request(), tmp_path / "x", base_url=vendor.nowhere)
    assert isinstance(error, ProviderUnavailable)


@resumable
def test_an_item_is_resumed_by_its_id_alone(vendor: Vendor, world: World, tmp_path: Path) -> None:
    async def run() -> None:
        async with world.provider() as first:
            submission = await first.submit(vendor.request())
        async with world.provider() as second:
            resumed = Submission(submission.remote_id)
            await second.follow(resumed, Reports())
            await second.fetch(resumed, tmp_path / "x")

    asyncio.run(run())
    inspected(tmp_path / "x", vendor.request().kind)
    assert world.records.charges["a fox"] == 1


def test_a_cancelled_item_is_not_made_and_may_be_cancelled_again(
    vendor: Vendor, world: World
) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(vendor.request())
            if not vendor.resumable:
                with pytest.raises(ProviderError, match="cannot be told to stop"):
                    await provider.cancel(submission)
                return
            await provider.cancel(submission)
            await provider.cancel(submission)
            with pytest.raises(ProviderError):
                await provider.follow(submission, Reports())

    asyncio.run(run())
    assert world.records.charges.total() == 1


@resumable
def test_a_page_instead_of_the_file_is_no_file_and_the_file_is_not_paid_for_again(
    vendor: Vendor, world: World, tmp_path: Path
) -> None:
    world.fault("garbage")

    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(vendor.request())
            for _ in range(TRIES):
                with suppress(ProviderUnavailable):
                    await provider.follow(submission, Reports())
                    await provider.fetch(submission, tmp_path / "x")
                    return

    asyncio.run(run())
    inspected(tmp_path / "x", vendor.request().kind)
    assert world.records.charges["a fox"] == 1


def test_a_file_that_is_cut_short_is_found_out(
    vendor: Vendor, world: World, tmp_path: Path
) -> None:
    world.fault("truncate")
    with pytest.raises((BrokenMedia, ProviderError)):
        world.make(vendor.request(), tmp_path / "x")
        inspected(tmp_path / "x", vendor.request().kind)
    assert world.records.charges["a fox"] == 1


def test_its_check_costs_nothing_and_quotes_no_key(vendor: Vendor, world: World) -> None:
    async def check(**changed: Any) -> str:
        async with world.provider(**changed) as provider:
            return await provider.check()

    assert asyncio.run(check())
    with pytest.raises(InvalidCredentials) as caught:
        asyncio.run(check(api_key="wrong-key-for-tests"))
    assert "wrong-key" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert vendor.key_setting in caught.value.message
    assert not world.records.charges
