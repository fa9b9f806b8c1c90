"""A database that the last release left is taken over as it is."""

from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient

from core.generation.sweeper import empty_bin
from core.media.folder import FolderStore
from core.models import AssetState, JobStatus, User
from core.settings import Settings
from core.store import open_store
from core.store.jobs.library_filter import Filter, Sort
from core.studio.order import Order
from core.studio.planning import plan
from tests.catalogue import illustrator_only
from tests.conftest import MOMENT
from tests.web import app_of, browser_of, log_in, studio_of

NEW_OF_ITEMS: Final = ("favourite", "rating", "collections", "note", "binned_at", "words")
NEW_OF_JOBS: Final = ("binned_at", "language")
NEW_OF_USERS: Final = ("language", "stay")
GALLERY: Final = [
    *((key, ASCENDING) for key in ("user_id", "kind", "state")),
    ("timings.saved_at", DESCENDING),
]


def without(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def leave_behind(settings: Settings) -> str:
    """Store a job of Ana's of which one item failed, as the last release did; return its id."""
    job, assets = plan(Order(user_id="ana", prompt="a red fox"), illustrator_only())
    over: dict[str, Any] = {"status": JobStatus.FAILED, "generated_at": MOMENT}
    over["image_paths"] = tuple(f"generated_content/ana/{each.id}.png" for each in assets[1:5])
    items = []
    for asset in assets:
        made: dict[str, Any] = {
            "state": AssetState.DONE,
            "path": f"generated_content/ana/{asset.id}.png",
        }
        made |= {"timings": {"queued_at": MOMENT, "saved_at": MOMENT}, "bytes": 1}
        item = asset.model_copy(update=made).to_document()
        del item["cost"]["risked"]
        items.append(without(item, NEW_OF_ITEMS))
    items[0] |= {"state": str(AssetState.FAILED), "path": None, "timings": {"queued_at": MOMENT}}
    with MongoClient[Any](settings.mongodb_uri.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        database["assets"].create_indexes([IndexModel(GALLERY, name="gallery")])
        database["assets"].insert_many(items)
        old = without(job.model_copy(update=over).to_document(), NEW_OF_JOBS)
        database["jobs"].insert_one(old)
        user = User(id="ana", created_at=MOMENT).to_document()
        database["users"].insert_one(without(user, NEW_OF_USERS))
    return job.id


def test_what_the_last_release_left_is_all_there(settings: Settings, content: FolderStore) -> None:
    job_id = leave_behind(settings)
    with_budget = settings.model_copy(update={"budgets": {"USD": 1.0}})
    with open_store(with_budget) as store:
        store.ensure_schema()
        for sort in Sort:
            first = store.library.find(Filter(owner="ana", sort=sort), limit=5)
            assert first.next is not None
            rest = store.library.find(Filter(owner="ana", sort=sort), first.next)
            assert len({each.id for each in (*first.assets, *rest.assets)}) == 9
        with browser_of(app_of(studio_of(with_budget, store, content))) as ana:
            log_in(ana, "ana")
            assert ana.get("/library/items?q=foxes").json()["total"] == 9
            assert ana.get("/library/facets").json()["counts"] == {"image": 4, "video": 5, "bin": 0}
            assert ana.get(f"/jobs/{job_id}/live").json()["job"]["label"] == "Completed in part"
            [card] = ana.get("/events/cards/live").json()["cards"]
            assert card["id"] == job_id
            assert ana.get("/prompts").json() == {"prompts": ["a red fox"]}
            again = ana.post(f"/jobs/{job_id}/acts", json={"name": "retry", "on": None})
            assert (again.status_code, again.json()) == (200, {})
            stopped = ana.post(f"/jobs/{job_id}/acts", json={"name": "cancel", "on": None})
            assert (stopped.status_code, stopped.json()) == (200, {})
            marked = ana.post("/library/items", json={"job": job_id, "rating": 3, "bin": True})
            assert {tile["rating"] for tile in marked.json()["items"]} == {3}
            assert ana.get("/library/facets").json()["counts"]["bin"] == 9
            ids = [tile["id"] for tile in marked.json()["items"]]
            ana.post("/library/items", json={"ids": ids[:1], "remove": True})
            ana.post("/library/items", json={"ids": ids[1:], "bin": False})
        empty_bin(store, content, settings.bin_days)
        assert store.library.total(Filter(owner="ana")) == 8
        assert store.budgets.spent("ana") == {"": 0.0}
        assert store.jobs.history("ana", 1) == ["a red fox"]
