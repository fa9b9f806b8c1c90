"""The vendors' own SDKs in real processes that are killed: nothing is paid for twice.

Not even where the vendors' replies are odd.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Product
from tests.servers import openai, runway
from tests.servers.odd import Odd
from tests.servers.wire import VendorRecords, serving

KEY = "key_for-tests-and-nobody-else"
ACCOUNT = ("/v1/organization",)  # how much it lets us have in flight is not what is tried here
ANY_NUMBER: dict[str, tuple[int | None, int | None]] = {"gen4.5": (None, None)}


@pytest.fixture
def records() -> dict[str, VendorRecords]:
    return {"openai": VendorRecords(KEY), "runwayml": VendorRecords(KEY)}


@pytest.fixture
def seed() -> int | None:
    """Of the replies' mutations; None: they are as they should be."""
    return None


@pytest.fixture
def product(
    tmp_path: Path, records: dict[str, VendorRecords], seed: int | None
) -> Iterator[Product]:
    account = runway.Account(limits=ANY_NUMBER)
    images = openai.application(records["openai"], seconds=6)
    clips = runway.application(records["runwayml"], account=account, seconds=6)
    with serving(Odd(images, seed)) as first, serving(Odd(clips, seed, spared=ACCOUNT)) as second:
        running = Product(
            tmp_path,
            LEASE_SECONDS="3",
            OPENAI_BASE_URL=f"{first}/v1",
            OPENAI_API_KEY=KEY,
            RUNWAYML_BASE_URL=second,
            RUNWAYML_API_SECRET=KEY,
        )
        running.start()
        yield running
        running.stop()
        assert KEY not in running.output


def states(product: Product, job_id: str) -> dict[str, str]:
    job = json.loads(product.command("job", job_id, "--json").stdout)
    assert KEY not in json.dumps(job)
    return {f"{each['kind']}-{each['slot']}": each["state"] for each in job["assets"]}


@pytest.mark.parametrize("seed", [None, 11])
def test_a_killed_worker_pays_for_nothing_twice(
    product: Product, records: dict[str, VendorRecords]
) -> None:
    arguments = ("a fox", "--user", "ana", "--seconds", "2", "--json")
    job_id = json.loads(product.command("generate", *arguments).stdout)["_id"]
    for name in ("image-1", "image-5", "video-1", "video-5"):
        product.hear(f"{job_id}-{name}: taken by")
    product.children()["worker"].kill()
    product.hear(f"/job?id={job_id}", 240)
    found = states(product, job_id)
    # A task is followed by its id; a picture that was on its way cannot be asked for again.
    assert {found[f"video-{slot}"] for slot in range(1, 6)} == {"done"}
    assert {found[f"image-{slot}"] for slot in range(1, 6)} <= {"done", "unknown"}
    assert records["runwayml"].charges == {"a fox": 5}
    assert records["openai"].charges == {"a fox": 5}


def test_the_doctor_asks_every_generator_and_pays_nothing(
    product: Product, records: dict[str, VendorRecords]
) -> None:
    result = product.command("doctor")
    assert "The key is accepted" in result.stdout
    assert "credits left" in result.stdout
    assert KEY not in result.stdout + result.stderr
    models = json.loads(product.command("models", "--json").stdout)
    assert {each["provider"] for each in models} == {"openai", "runwayml", "illustrator"}
    assert not records["openai"].charges + records["runwayml"].charges
