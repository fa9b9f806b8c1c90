"""Whether a real browser plays what is displayed: originals that stay, and display copies."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from core.media.display_copies import make_copy
from core.media.inspection import Inspection, inspect
from core.models import Kind
from tests import odd_media
from tests.unit.test_odd_clips import COPIED, PLAYED

PLACE = "http://clips.example.org"
PAGE = '<video src="/clip"></video>'
PLAY = """async (video) => {
  video.muted = true;
  video.playbackRate = 4;
  await video.play().catch((error) => { if (!video.ended) throw error; });
  if (!video.ended) await new Promise((done, failed) => {
    video.onended = done;
    video.onerror = () => failed(new Error(video.error.message));
  });
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pixels = canvas.getContext('2d');
  pixels.drawImage(video, 0, 0);
  const at = (x, y) => [...pixels.getImageData(x * canvas.width, y * canvas.height, 1, 1).data];
  return {
    size: [video.videoWidth, video.videoHeight],
    seconds: video.duration,
    error: video.error,
    colours: [at(.25, .25), at(.75, .25), at(.25, .75), at(.75, .75)],
  };
}"""


def displayed(folder: Path, path: Path) -> tuple[Path, Inspection]:
    """Return what pages display of a clip."""
    found = inspect(path, Kind.VIDEO)
    if found.displayable:
        return path, found
    copy = folder / "copy.mp4"
    make_copy(path, Kind.VIDEO, copy)
    return copy, inspect(copy, Kind.VIDEO)


def assert_plays(browser: Browser, path: Path, found: Inspection, *, changes: bool = False) -> None:
    """Play a clip to its end and compare what is seen with what was measured.

    Args:
        browser: a browser.
        path: the clip.
        found: what was measured.
        changes: whether its last picture is another than that of its poster.
    """
    page = browser.new_page()
    try:
        page.route(f"{PLACE}/", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        page.route(
            f"{PLACE}/clip", lambda route: route.fulfill(path=path, content_type="video/mp4")
        )
        page.goto(f"{PLACE}/")
        seen = page.locator("video").evaluate(PLAY)
    finally:
        page.close()
    assert seen["error"] is None
    assert seen["size"] == [found.width, found.height]
    assert seen["seconds"] == pytest.approx(found.seconds, abs=0.1)
    for at, colour in zip(((1, 1), (3, 1), (1, 3), (3, 3)), seen["colours"], strict=True):
        pixel = found.still.getpixel(
            (found.still.width * at[0] // 4, found.still.height * at[1] // 4)
        )
        assert isinstance(pixel, tuple)
        near = all(abs(one - two) < 60 for one, two in zip(pixel, colour, strict=False))
        assert near != changes


@pytest.mark.parametrize("what", [*PLAYED, *COPIED])
def test_what_is_displayed_plays_to_its_end(browser: Browser, tmp_path: Path, what: str) -> None:
    name, made = PLAYED[what] if what in PLAYED else (COPIED[what][0], COPIED[what][2])
    path = odd_media.clip(tmp_path / name, **made)
    assert_plays(browser, *displayed(tmp_path, path))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_turned_clip_is_seen_as_its_poster_shows_it(
    browser: Browser, tmp_path: Path, codec: str, degrees: int
) -> None:
    path = odd_media.clip(tmp_path / "a.mp4", codec, turned=degrees)
    shown, found = displayed(tmp_path, path)
    assert_plays(browser, shown, found)


def test_a_clip_of_one_frame_plays(browser: Browser, tmp_path: Path) -> None:
    for codec in ("libx264", "mpeg4"):
        path = odd_media.clip(tmp_path / f"{codec}.mp4", codec, times=[0])
        assert_plays(browser, *displayed(tmp_path, path))


def test_a_clip_with_an_edit_list_plays_as_long_as_was_measured(
    browser: Browser, tmp_path: Path
) -> None:
    content = odd_media.clip(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "edited.mp4"
    path.write_bytes(odd_media.with_edit_list(content, 1.5))
    assert_plays(browser, *displayed(tmp_path, path))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_that_came_as_a_clip_plays(
    browser: Browser, tmp_path: Path, form: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(odd_media.animation(form))
    assert_plays(browser, *displayed(tmp_path, path), changes=True)


def test_rubbish_before_a_clip_does_not_stop_it(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(b"\r\n\r\n" + odd_media.clip(tmp_path / "a.mp4").read_bytes())
    assert_plays(browser, *displayed(tmp_path, path))
