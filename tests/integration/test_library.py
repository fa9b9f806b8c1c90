"""The library: what is found, in which order, by whom; what its owner makes of it; the download."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.models import EPOCH, Asset, InvalidInput, Kind, Via, now
from core.store import Store
from core.store.jobs.library import COLLECTIONS, COLLECTIONS_AN_ITEM, NOTE_CHARACTERS, Change
from core.store.jobs.library_filter import Filter, Sort
from core.web.library.query import read_filter
from tests.conftest import MOMENT, stored_job
from tests.integration.test_breaking_in import answered, harmless, hostile_text, json_values
from tests.profiles import examples
from tests.seed import fill
from tests.web import ADMINS, OpenBrowser, changed, made_admin

BERLIN: Final = ZoneInfo("Europe/Berlin")
ALL: Final = Filter(owner="ana")


@pytest.fixture
def made(store: Store, content: FolderStore) -> list[Asset]:
    """Ana's items, the oldest first."""
    return fill(store, content, "ana", images=14, clips=6)


@pytest.fixture
def ana(browser: OpenBrowser, made: list[Asset]) -> TestClient:
    assert made
    return browser("ana")


def ids(assets: list[Asset]) -> list[str]:
    return [asset.id for asset in assets]


def found(store: Store, **wanted: Any) -> list[str]:
    return ids(store.library.find(Filter(owner="ana", **wanted)).assets)


def put(store: Store, asset: Asset, **fields: Any) -> None:
    store._database["assets"].update_one({"_id": asset.id}, {"$set": fields})  # noqa: SLF001


def all_pages(store: Store, wanted: Filter, limit: int) -> list[str]:
    page = store.library.find(wanted, limit=limit)
    every = ids(page.assets)
    while page.next is not None:
        page = store.library.find(wanted, page.next, limit)
        every += ids(page.assets)
    return every


# Finding


def test_only_ones_own_finished_items_are_there_the_newest_first(
    store: Store, content: FolderStore, made: list[Asset]
) -> None:
    fill(store, content, "an", images=3, clips=0)
    stored_job(store)  # nothing of it is made yet
    assert found(store) == ids(made)[::-1]
    assert store.library.total(ALL) == len(made)
    assert store.library.find(Filter(owner="nobody")).assets == []


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("limit", [1, 3, 7, 20, 100])
def test_pages_show_every_item_once_in_order(
    store: Store, made: list[Asset], sort: Sort, limit: int
) -> None:
    for asset in made[:8]:
        put(store, asset, **{"timings.saved_at": MOMENT})  # of the same moment, and of all ratings
    wanted = Filter(owner="ana", sort=sort)
    every = all_pages(store, wanted, limit)
    stored = {each.id: each for each in store.library.by_ids("ana", ids(made))}
    signs = {
        Sort.NEWEST: lambda each: (each.timings["saved_at"], each.id),
        Sort.OLDEST: lambda each: (each.timings["saved_at"], each.id),
        Sort.RATING: lambda each: (each.rating, each.timings["saved_at"], each.id),
    }
    expected = sorted(stored.values(), key=signs[sort], reverse=sort != Sort.OLDEST)
    assert every == ids(expected)


def test_pages_stay_as_they_are_while_items_are_added(
    store: Store, content: FolderStore, made: list[Asset]
) -> None:
    first = store.library.find(ALL, limit=5)
    assert first.next is not None
    for added in fill(store, content, "ana", images=10, clips=0):
        put(store, added, **{"timings.saved_at": now()})
    second = store.library.find(ALL, first.next, 5)
    assert ids(first.assets + second.assets) == ids(made)[::-1][:10]


@pytest.mark.parametrize(
    "token",
    [
        *("x", "newest", "newest.0.1", "oldest.0.1.a", "newest.0.x.a", "newest.0.1.$ne", "\x00"),
        *(
            "newest.0.99999999999999999999.a",
            "newest.0.1.a\n",
            "newest.٣.1.a",
            "newest.0.-1.a",
            "A" * 9_999,
        ),
    ],
)
def test_a_token_of_ones_own_making_is_refused(store: Store, token: str) -> None:
    with pytest.raises(InvalidInput, match="load it anew"):
        store.library.find(ALL, token)


def test_a_token_of_any_time_is_a_place(store: Store, made: list[Asset]) -> None:
    assert len(store.library.find(ALL, "newest.0.99999999999999.a").assets) == len(made)
    assert store.library.find(ALL, "newest.0.0.a").assets == []


def test_each_filter_leaves_the_right_ones(store: Store, made: list[Asset]) -> None:
    image, other, clip = made[0], made[1], next(each for each in made if each.kind == Kind.VIDEO)
    for each in made:
        put(store, each, favourite=False, rating=0, collections=[], provider="p", model="m")
    put(store, image, favourite=True, rating=4, provider="q")
    put(store, other, rating=3, collections=["Füchse", "$ne"], **{"params.ratio": "9:21"})
    put(store, clip, model="n")
    assert found(store, kind=Kind.VIDEO) == [
        each.id for each in reversed(made) if each.kind == Kind.VIDEO
    ]
    assert found(store, favourite=True) == [image.id]
    assert found(store, rating=4) == [image.id]
    assert set(found(store, rating=3)) == {image.id, other.id}
    assert found(store, collection="Füchse") == found(store, collection="$ne") == [other.id]
    assert found(store, collection="füchse") == []
    assert found(store, ratio="9:21") == [other.id]
    assert found(store, provider="q") == [image.id]
    assert found(store, model="n") == [clip.id]
    assert found(store, job=image.job_id, kind=Kind.IMAGE) == [
        each.id for each in reversed(made) if (each.job_id, each.kind) == (image.job_id, Kind.IMAGE)
    ]
    assert found(store, favourite=True, rating=5) == []
    assert found(store, rating=3, sort=Sort.RATING) == [image.id, other.id]
    for wanted in (
        Filter(owner="ana", rating=3),
        Filter(owner="ana", collection="Füchse"),
        Filter(owner="ana", favourite=True, kind=Kind.IMAGE),
        Filter(owner="ana", job=image.job_id),
    ):
        assert store.library.total(wanted) == len(store.library.find(wanted).assets)


def test_days_begin_and_end_where_the_reader_lives(store: Store, made: list[Asset]) -> None:
    evening = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # past midnight in Berlin
    for number, asset in enumerate(made):
        put(store, asset, **{"timings.saved_at": evening + timedelta(days=number - 1)})
    day = {"from": "2026-10-25", "to": "2026-10-25"}  # of 25 hours there
    in_berlin = store.library.find(read_filter(day, "ana", BERLIN)).assets
    assert ids(in_berlin) == [made[2].id, made[1].id]
    assert read_filter(day, "ana", BERLIN).until == datetime(2026, 10, 25, 23, tzinfo=UTC)
    assert ids(store.library.find(read_filter(day, "ana", UTC)).assets) == [made[2].id]


@pytest.mark.parametrize(
    ("prompt", "typed"),
    [
        ("two red foxes in the forest", ["fox", "Foxes", "forest fox", "red, fox!", "the", '"fox']),
        ("a city of glass", ["cities", "city", "glass", "glasses"]),
        ("running water", ["run", "runs", "running", "waters"]),
        ("painted houses glow", ["paint", "painting", "house", "glowing", "Glowed"]),
        ("der müde Fuchs über den Häusern", ["Fuchs", "mude", "MÜDE", "uber fuchs", "Häusern"]),
        ("l'été à la plage", ["ete", "été", "plages", "l'été"]),
        ("一只红色的狐狸在雪中", ["狐狸", "红色", "雪 狐狸"]),
        ("赤いキツネ", ["キツネ", "赤い"]),
        ("눈 속의 여우가", ["여우", "눈"]),
        ("рыжая лиса", ["лиса", "ЛИСА рыжая"]),
        ("ثعلب أحمر", ["ثعلب"]),
        ("a fox 🦊 waves", ["🦊", "fox 🦊", "wave"]),
        ("snow_fox v2.1", ["snow_fox", "v2"]),
    ],
)
def test_whoever_searches_finds(
    store: Store, made: list[Asset], prompt: str, typed: list[str]
) -> None:
    put(store, made[3], words=prompt)
    for words in typed:
        assert made[3].id in found(store, words=words), words
        assert made[3].id not in found(store, words=f"{words} zebra 鯨"), words


@pytest.mark.parametrize(
    "typed", ["-fox", "zebra", "fox -forest", "fo", "ox", "\x00", '"', "$ne", "狐", ".*", "^"]
)
def test_what_is_typed_is_words_and_nothing_else(
    store: Store, made: list[Asset], typed: str
) -> None:
    put(store, made[3], words="two red foxes in the forest")
    expected = typed in ("-fox", "fox -forest", "\x00", '"', ".*", "^")
    assert (made[3].id in found(store, words=typed)) == expected


def test_the_prompts_of_variations_are_searched(store: Store, content: FolderStore) -> None:
    assets = fill(store, content, "ana", images=2, clips=0)
    put(store, assets[0], prompt="a heron", words="a heron")
    assert found(store, words="herons") == [assets[0].id]
    assert found(store, words="heron", binned=True) == []
    assert store.library.find(Filter(owner="ben", words="heron")).assets == []


def test_a_search_is_no_novel(store: Store) -> None:
    for words in ("a " * 21, "a" * 201):
        with pytest.raises(InvalidInput, match="at most 20 words and 200 characters"):
            store.library.find(Filter(owner="ana", words=words))


def test_facets_count_what_there_is(store: Store, content: FolderStore, made: list[Asset]) -> None:
    fill(store, content, "ben", images=5, clips=0)
    for each in made:
        put(store, each, collections=[], provider="p", model="m", **{"params.ratio": "1:1"})
    put(store, made[0], collections=["Zoo", "art"], provider="q")
    put(store, made[1], collections=["art"], binned_at=now())
    facets = store.library.facets("ana")
    assert facets.kinds == {Kind.IMAGE: 14, Kind.VIDEO: 5}
    assert facets.binned == 1
    assert facets.providers == {"p": 18, "q": 1}
    assert (facets.models, facets.ratios) == ({"m": 19}, {"1:1": 19})
    assert facets.collections == {"Zoo": 1, "art": 1}
    assert (facets.first, facets.last) == (
        made[0].timings["saved_at"],
        made[-1].timings["saved_at"],
    )
    binned = store.library.facets("ana", binned=True)
    assert (binned.kinds, binned.collections) == ({made[1].kind: 1}, {"art": 1})
    assert store.library.facets("nobody").first is None


# What it costs the database


@pytest.mark.parametrize("kind", [None, Kind.VIDEO])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"sort": Sort.OLDEST},
        {"sort": Sort.RATING},
        {"favourite": True},
        {"favourite": True, "sort": Sort.OLDEST},
        {"rating": 3},
        {"collection": "For the calendar"},
        {"binned": True},
        {"provider": "runway"},
        {"since": EPOCH},
    ],
)
def test_a_page_is_read_in_the_order_of_an_index(
    store: Store, made: list[Asset], wanted: dict[str, Any], kind: Kind | None
) -> None:
    assert made
    [plan] = plans(store, lambda: store.library.find(Filter(owner="ana", kind=kind, **wanted)))
    assert "COLLSCAN" not in plan
    assert "'stage': 'SORT'" not in plan


def test_what_is_always_asked_is_counted_in_the_index_alone(
    store: Store, made: list[Asset]
) -> None:
    assert made
    for wanted in (ALL, Filter(owner="ana", kind=Kind.IMAGE), Filter(owner="ana", rating=4)):
        [plan] = plans(store, partial(store.library.total, wanted))
        assert "FETCH" not in plan


def test_a_deep_page_costs_what_the_first_one_costs(store: Store, content: FolderStore) -> None:
    fill(store, content, "ana", images=400, clips=0)
    token = store.library.find(ALL, limit=350).next
    assert token is not None
    assert examined(store, lambda: store.library.find(ALL, token, 20)) <= 25


def test_nothing_of_the_library_scans_the_collection(store: Store, made: list[Asset]) -> None:
    def everything() -> None:
        store.library.find(Filter(owner="ana", words="fox forest"))
        store.library.find(Filter(owner="ana", words="狐狸"))
        store.library.total(Filter(owner="ana", words="fox"))
        store.library.facets("ana")
        store.library.facets("ana", binned=True)
        store.library.change("ana", [made[0].id], Change(collect="x", uncollect="y"))
        store.library.rename_collection("ana", "x", "z")
        store.library.delete_collection("ana", "z")
        store.bin.put("ana", [made[0].id])
        store.bin.restore("ana", [made[0].id])
        store.bin.put_job("ana", made[0].job_id)
        store.bin.remove("ana", [made[0].id])
        for asset in store.bin.due(30, 10):
            store.bin.forget(asset)

    found = plans(store, everything)
    assert len(found) > 15
    assert [plan for plan in found if "COLLSCAN" in plan] == []


def plans(store: Store, do: Callable[[], object]) -> list[str]:
    """Return how the database went about what `do` asks of the items."""
    return [str(each.get("execStats", each.get("planSummary"))) for each in _profiled(store, do)]


def examined(store: Store, do: Callable[[], object]) -> int:
    return sum(each.get("docsExamined", 0) for each in _profiled(store, do))


def _profiled(store: Store, do: Callable[[], object]) -> list[dict[str, Any]]:
    database = store._database  # noqa: SLF001
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        do()
    finally:
        database.command("profile", 0)
    of_items = {"ns": f"{database.name}.assets", "planSummary": {"$exists": True}}
    return list(database["system.profile"].find(of_items))


def test_items_of_an_earlier_version_are_found(store: Store, made: list[Asset]) -> None:
    database = store._database  # noqa: SLF001
    new = dict.fromkeys(["words", "favourite", "rating", "collections", "note", "binned_at"], "")
    database["assets"].update_many({}, {"$unset": new})
    database["assets"].update_one({"_id": made[0].id}, {"$set": {"prompt": "a heron"}})
    database["installation"].delete_one({"_id": "words"})
    put(store, made[1], words="stays", favourite=True, rating=0)
    store.ensure_schema()
    assert found(store, words="heron") == [made[0].id]
    assert found(store, words="stays", favourite=True) == [made[1].id]
    prompt = store.jobs.prompts([made[2].job_id])[made[2].job_id]
    assert made[2].id in found(store, words=prompt)
    assert len(all_pages(store, Filter(owner="ana", sort=Sort.RATING), 3)) == len(made)
    stored = database["assets"].find_one({"_id": made[2].id})
    assert stored is not None
    assert [stored[name] for name in new if name != "words"] == [False, 0, [], "", None]
    assert plans(store, store.ensure_schema) == []  # cheap when there is nothing to do


# What its owner makes of it


def test_what_is_made_of_items_is_kept(store: Store, made: list[Asset]) -> None:
    some = ids(made[:3])
    for each in made:
        put(store, each, collections=[], favourite=False, rating=0)
    store.library.change("ana", some, Change(favourite=True, rating=4, collect="  Füchse   & Co "))
    for asset in store.library.by_ids("ana", some):
        assert (asset.favourite, asset.rating, asset.collections) == (True, 4, ("Füchse & Co",))
    store.library.change("ana", some[:1], Change(note=" for\nMum ", rating=0, collect="b"))
    store.library.change("ana", some[:1], Change(uncollect="Füchse & Co", favourite=False))
    [asset] = store.library.by_ids("ana", some[:1])
    assert (asset.favourite, asset.rating, asset.collections) == (False, 0, ("b",))
    assert asset.note == "for\nMum"
    assert not any(each.favourite for each in store.library.by_ids("ana", ids(made[3:])))


def test_nothing_of_others_is_changed(store: Store, made: list[Asset]) -> None:
    before = store.assets.of_job(made[0].job_id)
    change = Change(favourite=True, rating=1, note="mine", collect="c", uncollect="d")
    store.library.change("eve", [made[0].id], change)
    store.library.rename_collection("eve", "Favourite places", "x")
    store.library.delete_collection("eve", "Favourite places")
    store.bin.put("eve", ids(made))
    with pytest.raises(InvalidInput):
        store.bin.put_job("eve", made[0].job_id)
    store.bin.remove("eve", ids(made))
    assert store.assets.of_job(made[0].job_id) == before
    assert store.library.by_ids("eve", ids(made)) == []


@pytest.mark.parametrize(
    "change",
    [
        Change(rating=6),
        Change(rating=-1),
        Change(rating=10**30),
        Change(note="a" * (NOTE_CHARACTERS + 1)),
        Change(note="\x00"),
        Change(collect=" "),
        Change(collect="a" * 61),
        Change(collect="a\x07b"),
        Change(uncollect="a" * 61),
    ],
)
def test_too_much_is_refused_and_changes_nothing(
    store: Store, made: list[Asset], change: Change
) -> None:
    before = store.assets.of_job(made[0].job_id)
    with pytest.raises(InvalidInput):
        store.library.change("ana", [made[0].id], change)
    assert store.assets.of_job(made[0].job_id) == before


def test_a_note_is_about_one_item(store: Store, made: list[Asset]) -> None:
    with pytest.raises(InvalidInput, match="about one item"):
        store.library.change("ana", ids(made[:2]), Change(note="x"))


def test_there_are_not_too_many_collections(store: Store, made: list[Asset]) -> None:
    for each in made:
        put(store, each, collections=[])
    names = [f"no. {number}" for number in range(COLLECTIONS)]
    for number, asset in enumerate(made[:5]):
        own = names[number * COLLECTIONS_AN_ITEM : (number + 1) * COLLECTIONS_AN_ITEM]
        put(store, asset, collections=own)
    with pytest.raises(InvalidInput, match="in 20 collections at most"):
        store.library.change("ana", ids(made), Change(collect=names[-1]))
    with pytest.raises(InvalidInput, match="100 collections at most"):
        store.library.change("ana", ids(made[5:]), Change(collect="one more"))
    store.library.change("ana", ids(made[5:]), Change(collect=names[0]))
    store.library.change("ana", ids(made[:1]), Change(collect=names[0]))  # it is in it already
    assert len(found(store, collection=names[0])) == len(made) - 4


def test_a_collection_is_renamed_joined_and_dissolved(store: Store, made: list[Asset]) -> None:
    for each in made:
        put(store, each, collections=[])
    put(store, made[0], collections=["a", "$b"])
    put(store, made[1], collections=["a"], binned_at=now())
    store.library.rename_collection("ana", "a", "c")
    stored = {each.id: each.collections for each in store.library.by_ids("ana", ids(made[:2]))}
    assert stored == {made[0].id: ("$b", "c"), made[1].id: ("c",)}
    store.library.rename_collection("ana", "c", "$b")
    [asset] = store.library.by_ids("ana", [made[0].id])
    assert asset.collections == ("$b",)
    store.library.delete_collection("ana", "$b")
    assert store.library.facets("ana").collections == {}


# Routes


def items(client: TestClient, query: str = "") -> dict[str, Any]:
    response = client.get(f"/library/items{query}")
    assert response.status_code == 200, response.text
    listing: dict[str, Any] = response.json()
    return listing


def test_a_page_of_tiles(ana: TestClient, made: list[Asset]) -> None:
    first = items(ana, "?limit=12&zone=Europe/Berlin")
    assert first["total"] == 20
    rest = items(ana, f"?limit=12&after={first['next']}")
    assert "total" not in rest
    assert rest["next"] is None
    tiles = first["items"] + rest["items"]
    assert [tile["id"] for tile in tiles] == ids(made)[::-1]
    tile = next(each for each in tiles if each["kind"] == "image")
    asset = next(each for each in made if each.id == tile["id"])
    assert tile["state"] == "done"
    assert tile["job"] == asset.job_id
    assert tile["prompt"] == asset.words
    assert (tile["favourite"], tile["rating"], tile["note"], tile["binned"]) == (
        *(asset.favourite, asset.rating, "", ""),
    )
    assert tile["collections"] == list(asset.collections)
    assert tile["owned"]
    assert (tile["remix"], tile["like"]) == (f"/?remix={asset.id}", f"/?like={asset.id}")
    assert tile["model"] == asset.model
    assert ana.get(tile["preview"]).status_code == ana.get(tile["original"]).status_code == 200


def test_the_filters_of_the_address(ana: TestClient, store: Store, made: list[Asset]) -> None:
    put(store, made[0], words="a heron", favourite=True, rating=5, collections=["Küste"])
    query = (
        f"?q=herons&kind={made[0].kind}&provider={made[0].provider}&model={made[0].model}"
        f"&ratio={made[0].params['ratio']}&favourite=1&rating=4&collection=K%C3%BCste"
        f"&job={made[0].job_id}&sort=rating&from=2020-01-01&to=2999-12-31&unknown=1"
    )
    assert [tile["id"] for tile in items(ana, query)["items"]] == [made[0].id]
    assert items(ana, "?q=&kind=&from=&rating=&limit=")["total"] == 20
    assert items(ana, "?bin=1") == {"items": [], "next": None, "total": 0}


@pytest.mark.parametrize(
    "query",
    [
        *("kind=sound", "sort=best", "rating=6", "rating=x", "rating=-1", "rating=٣", "limit=0"),
        *("limit=101", "limit=1e9", "from=yesterday", "to=0001-01-01", "to=9999-12-31"),
        *("after=x", f"q={'a+' * 30}", f"provider={'a' * 201}", "from=2026-02-30"),
    ],
)
def test_what_is_not_understood_is_a_sentence(ana: TestClient, query: str) -> None:
    response = ana.get(f"/library/items?{query}")
    assert response.status_code == 400
    assert response.json()["detail"].endswith(".")


def test_facets_in_words(ana: TestClient, store: Store, made: list[Asset]) -> None:
    for each in made:
        put(store, each, collections=[])
    put(store, made[0], collections=["b", "A"])
    listing = ana.get("/library/facets?zone=Europe/Berlin").json()
    assert listing["counts"] == {"image": 14, "video": 6, "bin": 0}
    assert listing["collections"] == [{"name": "A", "count": 1}, {"name": "b", "count": 1}]
    assert {each["name"] for each in listing["providers"]} == {each.provider for each in made}
    illustrator = next(each for each in listing["providers"] if each["name"] == "illustrator")
    assert illustrator["title"] == "Built-in illustrator"
    assert sum(each["count"] for each in listing["models"]) == 20
    assert sum(each["count"] for each in listing["ratios"]) == 20
    last = made[-1].timings["saved_at"].astimezone(BERLIN).date()
    assert date.fromisoformat(listing["days"]["last"]) == last


def test_changes_come_back_as_tiles(ana: TestClient, store: Store, made: list[Asset]) -> None:
    some = ids(made[:2])
    listing = changed(ana, ids=[*some, "none-of-mine"], favourite=True, rating=2, collect="c")
    assert [tile["id"] for tile in listing["items"]] == some
    assert all(tile["favourite"] and tile["rating"] == 2 for tile in listing["items"])
    assert listing["gone"] == ["none-of-mine"]
    [tile] = changed(ana, ids=some[:1], note="Ünïcode ✓", uncollect="c")["items"]
    assert tile["note"] == "Ünïcode ✓"
    assert "c" not in tile["collections"]
    assert ana.post("/library/collections", json={"name": "c", "rename": "d"}).json() == {}
    assert [tile["id"] for tile in items(ana, "?collection=d")["items"]] == [some[1]]
    assert ana.post("/library/collections", json={"name": "d", "delete": True}).json() == {}
    assert items(ana, "?collection=d")["total"] == 0
    assert store.library.total(ALL) == 20


def test_a_whole_job_is_changed_at_once(ana: TestClient, made: list[Asset]) -> None:
    of_job = {each.id for each in made if each.job_id == made[0].job_id}
    listing = changed(ana, job=made[0].job_id, favourite=True)
    assert {tile["id"] for tile in listing["items"]} == of_job
    response = ana.post("/library/items", json={"job": "nothing", "bin": True})
    assert (response.status_code, response.json()["detail"]) == (404, "There is no such job.")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"x", b"[]", b"null", b"{", b'{"ids": 1}', b'{"ids": [1]}', b'{"ids": ["\\ud800"]}'),
        *(b'{"bin": "yes"}', b'{"rating": true}', b'{"rating": 1.5}', b'{"remove": false}'),
        *(
            b'{"admin": true}',
            b"[" * 50_000,
            b'{"ids": [' + b'"a",' * 501 + b'"a"]}',
            b"a" * 200_000,
        ),
        *(b'{"rating": 9}', b'{"note": "x"}', b'{"collect": "\\u0000"}', b'{"ids": ["\xff"]}'),
        b'{"rating": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_body_that_is_no_change_is_a_sentence(ana: TestClient, body: bytes) -> None:
    status = 413 if len(body) > 128 * 1024 else 400
    response = ana.post("/library/items", content=body)
    assert response.status_code == status
    assert response.json()["detail"].endswith(".")
    response = ana.post("/library/collections", content=body)
    assert response.status_code == status


def test_nobody_gets_anything_without_a_login(
    browser: OpenBrowser, store: Store, made: list[Asset]
) -> None:
    guest = browser()
    asked = [
        guest.get("/library/items?user=ana"),
        guest.get("/library/facets?user=ana"),
        guest.post("/library/items", json={"ids": ids(made), "bin": True}),
        guest.post("/library/collections", json={"name": "x", "delete": True}),
        guest.post("/library/archive.zip", data={"ids": made[0].id}),
    ]
    for response in asked:
        assert (response.status_code, response.json()["detail"]) == (401, "Please log in.")
    assert store.library.total(ALL) == 20


def test_other_sites_change_nothing(ana: TestClient, store: Store, made: list[Asset]) -> None:
    elsewhere = {"Origin": "https://evil.example.org", "Sec-Fetch-Site": "cross-site"}
    for path, body in (
        ("/library/items", {"ids": [made[0].id], "bin": True}),
        ("/library/collections", {"name": "x", "delete": True}),
        ("/library/archive.zip", {}),
    ):
        response = ana.post(path, json=body, headers=elsewhere)
        assert response.status_code == 403
    assert store.library.total(ALL) == 20


def test_an_admin_looks_which_is_logged_and_changes_nothing(
    browser: OpenBrowser, store: Store, made: list[Asset]
) -> None:
    made_admin(store)
    store.bin.put("ana", [made[0].id])
    admin, eve = browser("root", ADMINS), browser("eve")
    listing = items(admin, "?user=ana&limit=5")
    assert listing["total"] == 19
    assert not any(tile["owned"] or "remix" in tile for tile in listing["items"])
    items(admin, f"?user=ana&limit=5&after={listing['next']}")
    assert admin.get("/library/facets?user=ana").json()["counts"]["image"] > 0
    looks = [(each.action, each.owner, each.via) for each in store.view_log.of_user("root")]
    assert looks == 2 * [("open_gallery", "ana", Via.ADMIN)]  # a token may be of one's own making
    assert admin.get("/library/items?user=ana&bin=1").status_code == 403
    assert eve.get("/library/items?user=ana").status_code == 403
    assert eve.get("/library/facets?user=ana").status_code == 403
    for body in ({"ids": ids(made), "bin": True}, {"ids": ids(made), "favourite": True}):
        response = admin.post("/library/items?user=ana", json=body)
        assert (response.status_code, response.json()["detail"]) == (
            403,
            "Only its owner can change this.",
        )
        gone = admin.post("/library/items", json=body).json()
        assert gone == {"items": [], "gone": ids(made)}
    response = admin.post("/library/collections?user=ana", json={"name": "x", "delete": True})
    assert response.status_code == 403
    assert store.library.total(ALL) == 19


# The download


def zip_of(client: TestClient, **form: str) -> zipfile.ZipFile:
    response = client.post("/library/archive.zip", data=form)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return archive


def test_many_are_downloaded_with_how_they_were_made(
    ana: TestClient, store: Store, content: FolderStore, made: list[Asset]
) -> None:
    put(store, made[0], note="=cmd|' /C calc'!A0", collections=["a", "b"], prompt="a heron")
    archive = zip_of(ana, ids=",".join([*ids(made), "none-of-mine", made[0].id]))
    names = archive.namelist()
    assert names[:2] == ["manifest.json", "manifest.csv"]
    assert len(names) == len(set(names)) == 22
    manifest = json.loads(archive.read("manifest.json"))
    assert [each["file"] for each in manifest] == names[2:]
    for each, asset in zip(manifest, made, strict=True):
        assert each["id"] == asset.id
        assert each["file"].split("/")[0].endswith(asset.job_id[-6:])
        assert archive.read(each["file"]) == content.locate("ana", asset.path or "").read_bytes()
        assert each["parameters"] == asset.params
        assert datetime.fromisoformat(each["saved_at"]) == asset.timings["saved_at"]
    assert manifest[0]["prompt"] == "a heron"
    rows = list(csv.DictReader(io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))))
    assert [row["file"] for row in rows] == names[2:]
    assert rows[0]["note"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["collections"] == "a; b"
    assert json.loads(rows[0]["parameters"]) == made[0].params
    actions = [(each.action, each.asset_id) for each in store.view_log.of_user("ana", 100)]
    assert sorted(actions) == sorted(("download_many", asset.id) for asset in made)


def test_files_that_are_gone_are_named_in_the_zip(
    ana: TestClient, store: Store, content: FolderStore, made: list[Asset]
) -> None:
    content.remove("ana", made[0].path or "")
    archive = zip_of(ana, ids=f"{made[0].id},{made[1].id}")
    assert len(archive.namelist()) == 4
    manifest = json.loads(archive.read("manifest.json"))
    assert archive.read("missing.txt").decode().splitlines()[2:] == [manifest[0]["file"]]
    assert [each.asset_id for each in store.view_log.of_user("ana")] == [made[1].id]


def test_jobs_of_one_prompt_have_folders_of_their_own(
    ana: TestClient, store: Store, made: list[Asset]
) -> None:
    store._database["jobs"].update_many({}, {"$set": {"prompt": "../../etc/passwd"}})  # noqa: SLF001
    names = zip_of(ana, ids=",".join(ids(made))).namelist()[2:]
    folders = {name.split("/")[0] for name in names}
    assert len(folders) == 2
    assert all(folder.startswith("etc-passwd-") for folder in folders)
    assert all(name.count("/") == 1 for name in names)


def test_a_zip_has_its_bounds(ana: TestClient, browser: OpenBrowser, made: list[Asset]) -> None:
    many = ana.post("/library/archive.zip", data={"ids": ",".join(map(str, range(501)))})
    assert (many.status_code, many.json()["detail"]) == (
        400,
        "Please choose 500 items at most at a time.",
    )
    fields = ana.post("/library/archive.zip", content=b"a=1&" * 2_000)
    assert (fields.status_code, fields.json()["detail"]) == (400, "That is too much at a time.")
    for client in (browser("eve"), ana):
        other = made[0].id if client is not ana else ""
        nothing = client.post("/library/archive.zip", data={"ids": other})
        assert nothing.status_code == 404


def test_an_admin_s_download_is_logged_as_such(
    browser: OpenBrowser, store: Store, made: list[Asset]
) -> None:
    made_admin(store)
    store.bin.put("ana", [made[1].id])
    archive = zip_of(browser("root", ADMINS), ids=f"{made[0].id},{made[1].id}", user="ana")
    assert len(archive.namelist()) == 3
    [entry] = store.view_log.of_user("root")
    assert (entry.action, entry.owner, entry.via) == ("download_many", "ana", Via.ADMIN)
    denied = browser("eve").post("/library/archive.zip", data={"ids": made[0].id, "user": "ana"})
    assert denied.status_code == 403


# Hostile input

lenient = examples(fast=40, deep=600)
NAMES: Final = [
    *("kind", "q", "provider", "model", "ratio", "from", "to", "favourite", "rating"),
    *("collection", "job", "bin", "sort", "after", "limit", "zone", "user", "language"),
]
change_bodies = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(hostile_text, json_values, st.lists(hostile_text, max_size=3))
        for name in (
            *("ids", "job", "favourite", "rating", "note", "collect", "uncollect", "bin"),
            *("remove", "name", "rename", "delete", "user"),
        )
    },
)


@pytest.fixture
def eve(browser: OpenBrowser, made: list[Asset], store: Store) -> TestClient:
    for asset in made:
        put(store, asset, words="what only ana may know", note="what only ana may know")
    return browser("eve")


@lenient
@given(
    query=st.dictionaries(st.sampled_from(NAMES), hostile_text, max_size=4),
    path=st.sampled_from(["/library/items", "/library/facets"]),
)
def test_whatever_is_asked_gets_ones_own_or_a_sentence(
    eve: TestClient, query: dict[str, str], path: str
) -> None:
    response = eve.get(path, params=query)
    harmless(response)
    assert response.status_code in (200, 400, 403)


@lenient
@given(
    body=st.one_of(st.binary(max_size=200), change_bodies.map(json.dumps).map(str.encode)),
    path=st.sampled_from(["/library/items", "/library/collections", "/library/archive.zip"]),
)
def test_whatever_is_posted_changes_nothing_of_anas(
    eve: TestClient, store: Store, made: list[Asset], body: bytes, path: str
) -> None:
    before = store.assets.of_job(made[0].job_id)
    harmless(answered(eve, "POST", path, {}, content=body.replace(b"{id}", made[0].id.encode())))
    assert store.assets.of_job(made[0].job_id) == before
