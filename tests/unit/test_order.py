import pytest

from core.models import AssetState, InvalidInput, JobStatus, Kind
from core.studio.order import Order
from core.studio.planning import plan
from tests.catalogue import illustrator_only


def test_a_plain_order_is_five_images_and_five_videos() -> None:
    job, assets = plan(Order(user_id="ana", prompt="the sea"), illustrator_only())
    assert (job.requested.images, job.requested.videos) == (5, 5)
    assert job.status == JobStatus.PROCESSING
    assert job.generated_at is None
    assert [asset.id for asset in assets] == [
        f"{job.id}-{kind}-{slot}" for kind in ("image", "video") for slot in range(1, 6)
    ]
    assert {asset.state for asset in assets} == {AssetState.QUEUED}


def test_the_ratio_is_the_providers_own_where_none_was_chosen() -> None:
    _, assets = plan(Order(user_id="ana", prompt="the sea"), illustrator_only())
    sizes = {asset.kind: (asset.params["width"], asset.params["height"]) for asset in assets}
    assert sizes == {Kind.IMAGE: (1024, 1024), Kind.VIDEO: (1280, 720)}


def test_what_was_chosen_reaches_every_asset() -> None:
    order = Order(user_id="ana", prompt="x", images=6, videos=7, ratio="9:16", seconds=3, seed=11)
    job, assets = plan(order, illustrator_only())
    assert len(assets) == 13
    assert all((a.params["width"], a.params["height"]) == (720, 1280) for a in assets)
    assert {a.params.get("seconds") for a in assets if a.kind == Kind.VIDEO} == {3}
    assert {a.params["seed"] for a in assets} == {11} == {job.options.seed}


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": "  "},
        {"images": 4},
        {"images": 21},
        {"videos": 0},
        {"ratio": "2:1"},
        {"seconds": 2},
        {"seconds": 11},
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(wrong: dict[str, object]) -> None:
    order = Order(**({"user_id": "ana", "prompt": "the sea"} | wrong))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"\.$"):
        plan(order, illustrator_only())
