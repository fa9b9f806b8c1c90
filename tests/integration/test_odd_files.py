"""Files that are not what we would have made, from the provider to the browser."""

import asyncio
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from core.generation import item_file
from core.generation.sweeper import empty_bin, remove_files
from core.media.folder import FolderStore
from core.media.inspection import inspect
from core.models import Asset, AssetState, Job, Kind, now
from core.providers.base import Outcome, Report, Submission
from core.store import Store
from tests import odd_media
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness, run
from tests.odd_media import RED, saved
from tests.web import OpenBrowser, changed

WEBP = saved(Image.new("RGB", (300, 200), RED), "WEBP")


@pytest.fixture
def paid(new_harness: NewHarness) -> JobHarness:
    return new_harness(FakeProvider(paid=True))


def made(harness: JobHarness, kind: Kind, content: bytes) -> Asset:
    """Have one item made as a file of this content."""
    harness.provider.content = content
    asset_id = next(each.id for each in harness.assets if each.kind == kind)
    run(harness.make(asset_id))
    return harness.asset(asset_id)


def job_of(harness: JobHarness) -> Job:
    job = harness.store.jobs.get(harness.job.id)
    assert job is not None
    return job


def test_a_file_is_kept_as_it_came_with_a_copy_that_every_browser_shows(
    paid: JobHarness, tmp_path: Path
) -> None:
    webm = odd_media.clip(tmp_path / "a.webm", "libvpx-vp9", sound="libopus").read_bytes()
    for kind, content, endings in (
        (Kind.IMAGE, WEBP, (".webp", ".jpg")),
        (Kind.VIDEO, webm, (".webm", ".mp4")),
    ):
        asset = made(paid, kind, content)
        assert (asset.state, asset.display_note) == (AssetState.DONE, "")
        original = paid.content.locate("ana", asset.path or "")
        copy = paid.content.locate("ana", asset.display_path or "")
        assert (original.suffix, copy.suffix) == endings
        assert original.read_bytes() == content
        assert inspect(copy, kind).displayable
    job = job_of(paid)
    assert [Path(path).suffix for path in (*job.image_paths, *job.video_paths)] == [".jpg", ".mp4"]
    assert paid.content.drafts() == []


def test_another_size_or_length_than_was_asked_for_is_kept_where_it_was_paid(
    paid: JobHarness, tmp_path: Path
) -> None:
    image = made(paid, Kind.IMAGE, saved(Image.new("RGB", (70, 50), RED), "PNG"))
    clip = made(paid, Kind.VIDEO, odd_media.clip(tmp_path / "a.mp4").read_bytes())
    assert (image.state, image.width, image.height) == (AssetState.DONE, 70, 50)
    assert (clip.state, clip.seconds, clip.display_path) == (AssetState.DONE, 2.0, None)


def test_an_item_is_done_though_no_copy_could_be_made(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_file, "make_copy", _no_copy)
    asset = made(paid, Kind.IMAGE, WEBP)
    assert (asset.state, asset.display_path) == (AssetState.DONE, None)
    assert asset.display_note == item_file.NO_COPY
    assert paid.content.locate("ana", asset.path or "").read_bytes() == WEBP
    assert job_of(paid).image_paths == (asset.path,)


def _no_copy(*_: object) -> str:
    raise MemoryError


def test_a_hostile_image_costs_one_item_and_says_why(paid: JobHarness) -> None:
    asset = made(paid, Kind.IMAGE, odd_media.bomb(13_000))
    assert asset.error is not None
    assert asset.error.message.startswith("The file that came has 13000 × 13000 pixels")
    assert "made a mistake" not in asset.error.message


def test_a_hostile_preview_does_not_stop_the_item(new_harness: NewHarness) -> None:
    provider = Showing()
    harness = new_harness(provider)
    provider.harness = harness
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert provider.seen == "WEBP"


class Showing(FakeProvider):
    """Sends previews that cannot be shown, and then one that can."""

    harness: JobHarness
    seen: str | None = None

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        await report(0.1, preview=odd_media.bomb(13_000))
        async with asyncio.timeout(240):
            while self.seen is None:
                await report(0.5, preview=saved(Image.new("RGB", (64, 64), RED), "TIFF"))
                webp = await asyncio.to_thread(
                    self.harness.store.assets.partial, self.harness.first
                )
                if webp is not None:
                    with Image.open(io.BytesIO(webp)) as image:
                        self.seen = image.format
                await asyncio.sleep(0.01)
        return await super().follow(submission, report)


@pytest.fixture
def odd(paid: JobHarness, tmp_path: Path) -> tuple[Asset, Asset]:
    """Ana's image in WebP and clip in WebM, with their copies."""
    clip = odd_media.clip(tmp_path / "a.webm", "libvpx-vp9").read_bytes()
    return made(paid, Kind.IMAGE, WEBP), made(paid, Kind.VIDEO, clip)


def test_pages_show_the_copy_and_downloads_give_the_original(
    browser: OpenBrowser, store: Store, content: FolderStore, odd: tuple[Asset, Asset]
) -> None:
    ana = browser("ana")
    tiles = {each["id"]: each for each in ana.get("/library/items").json()["items"]}
    for asset, types in zip(
        odd, (("image/webp", "image/jpeg"), ("video/webm", "video/mp4")), strict=True
    ):
        original, copy = (
            content.locate("ana", path or "") for path in (asset.path, asset.display_path)
        )
        tile = tiles[asset.id]
        assert tile["original"] == f"/content/{asset.id}/display"
        shown = ana.get(tile["original"])
        assert (shown.content, shown.headers["content-type"]) == (copy.read_bytes(), types[1])
        got = ana.get(tile["download"])
        assert (got.content, got.headers["content-type"]) == (original.read_bytes(), types[0])
        assert got.headers["content-disposition"].startswith("attachment")
        assert original.suffix in got.headers["content-disposition"]
        assert shown.headers["etag"] != got.headers["etag"]
        for response in (shown, got):
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in response.headers["content-security-policy"]
        again = ana.get(tile["original"], headers={"If-None-Match": shown.headers["etag"]})
        assert again.status_code == 304
        part = ana.get(tile["original"], headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, copy.read_bytes()[10:20])
    assert {"view", "play"} <= {each.action for each in store.view_log.of_user("ana")}


def test_a_copy_is_as_private_as_its_original(
    browser: OpenBrowser, odd: tuple[Asset, Asset]
) -> None:
    for asset in odd:
        assert browser().get(f"/content/{asset.id}/display").status_code == 401
        assert browser("eve").get(f"/content/{asset.id}/display").status_code == 404


def test_archives_hold_the_originals(browser: OpenBrowser, odd: tuple[Asset, Asset]) -> None:
    ana = browser("ana")
    names = [zipfile.ZipFile(io.BytesIO(ana.get("/account/archive.zip").content)).namelist()]
    for asset in odd:
        suffix = Path(asset.path or "").suffix
        assert any(name.endswith(suffix) for name in names[0])
    assert not any("display" in name for name in names[0])


def test_both_files_go_with_their_item(
    browser: OpenBrowser, store: Store, content: FolderStore, odd: tuple[Asset, Asset]
) -> None:
    ids = [asset.id for asset in odd]
    changed(browser("ana"), ids=ids, bin=True)
    empty_bin(store, content, 0)
    left = [path.name for path in content.root.rglob("*") if path.is_file()]
    assert not [name for name in left if name.startswith(tuple(ids))]


def test_what_a_worker_saved_and_told_nobody_goes_too(store: Store, content: FolderStore) -> None:
    asset_id = f"{'0' * 26}-video-1"
    asset = Asset(
        id=asset_id,
        job_id="0" * 26,
        user_id="ana",
        kind=Kind.VIDEO,
        slot=1,
        provider="fake",
        model="tiny",
        params={},
        next_attempt_at=now(),
    )
    for name in (f"{asset_id}.webm", f"{asset_id}-display.mp4", f".previews/{asset_id}.webp"):
        with content.draft("ana", asset_id) as draft:
            draft.path.write_bytes(b"x")
            draft.commit(name)
    remove_files(store, content, [asset])
    assert not [path for path in content.root.rglob("*") if path.is_file()]


def test_what_is_made_of_an_item_is_made_of_what_is_displayed(
    paid: JobHarness, odd: tuple[Asset, Asset]
) -> None:
    later = paid.assets[1]
    paid.store.assets._assets.update_one(  # noqa: SLF001  # as an order of that kind
        {"_id": later.id}, {"$set": {"source": odd[0].id}}
    )
    run(paid.make(later.id))
    source = paid.provider.requests[-1].source
    assert source is not None
    assert source.suffix == ".jpg"
