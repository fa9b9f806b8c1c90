"""How soon a gallery stands on the screen, what that loads, and what it costs the web process."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.harness import Bench, Fivefold, Options, Row, spread
from benchmarks.native import CLIPS, IMAGES
from benchmarks.web import USER, Tab, Web, cookie, open_tabs, serving, settle
from core.web.identity.cookies import COOKIE
from tests.browser.conftest import FLAGS, find_chromium
from tests.seed import fill

MANY: Final = (8_000, 2_000)
LONGEST_MS: Final = 120_000
MOST_SECONDS: Final = 1.0
MOST_MEGABYTES: Final = 3.0
SESSIONS: Final = (5, 50)
MORE_MEMORY: Final = 1.5
"""So much more may 50 sessions take with files a hundred times as large."""

_VIEWPORT: Final = {"width": 1280, "height": 900}
_READY: Final = """
(() => {
  const deep = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
    each.shadowRoot ? [each, ...deep(each.shadowRoot)] : [each]);
  const onScreen = (each) => {
    const { top, bottom, width } = each.getBoundingClientRect();
    return width > 60 && bottom > 0 && top < innerHeight;
  };
  const fetched = (address) => performance.getEntriesByName(new URL(address, location).href)
    .some((each) => each.responseEnd > 0);
  const there = (each) => each.tagName === "IMG"
    ? each.complete && each.naturalWidth > 0
    : each.poster ? fetched(each.poster) : each.readyState >= 1;
  const look = () => {
    const media = deep(document).filter((each) => ["IMG", "VIDEO"].includes(each.tagName));
    const seen = media.filter(onScreen);
    if (seen.length && seen.every(there)) window.readyAt ??= performance.now();
    else requestAnimationFrame(look);
  };
  document.addEventListener("DOMContentLoaded", look);
})();
"""


@dataclass
class Opened:
    """What opening a gallery took: seconds until its first screen was there, megabytes loaded."""

    seconds: float
    megabytes: float


def gallery(bench: Bench, options: Options) -> Iterator[Row]:
    """The same library, drawn by `st.image` and `st.video` and by us; small and large."""
    rounds = 1 if options.quick else 2 * options.rounds + 1
    for images, clips in ((IMAGES, CLIPS), MANY):
        title = f"Gallery of {images + clips:,} items"
        found: dict[bool, list[Opened]] = {True: [], False: []}
        memory: dict[bool, list[float]] = {True: [], False: []}
        with bench.fivefold() as fivefold, chromium() as browser:
            fill(fivefold.store, fivefold.content, USER, images=images, clips=clips, large=True)
            with serving(fivefold, native=True) as native, serving(fivefold, native=False) as ours:
                for number in range(rounds):
                    for web in (native, ours) if number % 2 else (ours, native):
                        found[web.native].append(_open(browser, fivefold, web))
                        settle(web)
                        memory[web.native].append(web.megabytes())
        for native_one, name in (
            (True, f"`st.image` and `st.video` of {IMAGES} and {CLIPS}"),
            (False, "Fivefold"),
        ):
            seconds = [each.seconds for each in found[native_one]]
            weight = [each.megabytes for each in found[native_one]]
            aimed = not native_one
            yield Row(
                f"{title}: first screen, {name}",
                spread(seconds, ".2f", " s"),
                f"≤ {MOST_SECONDS:.0f} s" if aimed else "",
                statistics.median(seconds) <= MOST_SECONDS if aimed else None,
            )
            yield Row(
                f"{title}: loaded for it, {name}",
                spread(weight, ".2f", " MB"),
                f"≤ {MOST_MEGABYTES:.0f} MB" if aimed else "",
                statistics.median(weight) <= MOST_MEGABYTES if aimed else None,
            )
            peak = f"{max(memory[native_one]):.0f} MB"
            yield Row(f"{title}: web process afterwards, {name}", peak)


def memory(bench: Bench, options: Options) -> Iterator[Row]:
    """What sessions with an open gallery cost the web process, by the size of the files."""
    del options  # one round each: processes that are new
    grown: dict[bool, float] = {}
    for native in (True, False):
        for large in (False, True):
            with bench.fivefold() as fivefold:
                fill(fivefold.store, fivefold.content, USER, images=50, clips=20, large=large)
                with serving(fivefold, native=native) as web:
                    figures = asyncio.run(_sessions(fivefold, web))
            name = "`st.image` and `st.video`" if native else "Fivefold"
            files = "files of about 2 MB" if large else "files of a few KB"
            words = ", ".join(
                f"{number} sessions: {each:.0f} MB"
                for number, each in zip(SESSIONS, figures, strict=True)
            )
            if not native:
                grown[large] = figures[-1]
            aim = large and not native
            yield Row(
                f"Web process's memory, galleries open, {name}, {files}",
                words,
                f"≤ {MORE_MEMORY} × that with small files" if aim else "",
                grown[True] <= MORE_MEMORY * grown[False] if aim else None,
            )


async def _sessions(fivefold: Fivefold, web: Web) -> list[float]:
    figures: list[float] = []
    kept: list[tuple[Tab, list[ForwardMsg]]] = []
    key = cookie(fivefold)
    for number in SESSIONS:
        page, query = ("", {"show": "gallery"}) if web.native else ("gallery", {})
        kept += await open_tabs(web, key, number - len(kept), page, **query)
        settle(web)
        figures.append(web.megabytes())
    return figures


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a Chromium without a window."""
    found = find_chromium()
    if found is None:
        raise RuntimeError("This part needs Chromium.")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=FLAGS)


def _open(browser: Browser, fivefold: Fivefold, web: Web) -> Opened:
    """Open a gallery as somebody who has been there before: Streamlit's own files are cached."""
    context = browser.new_context(viewport=_VIEWPORT)  # type: ignore[arg-type]  # a plain dict
    value = {"name": COOKIE, "value": cookie(fivefold), "url": web.url}
    page = context.new_page()
    page.goto(f"{web.url}/{'?show=job&id=none' if web.native else 'login'}")
    page.wait_for_load_state("networkidle")
    context.add_cookies([value])  # type: ignore[list-item]  # likewise
    page.close()
    page = context.new_page()
    page.add_init_script(_READY)
    weighing = _Weighing(context.new_cdp_session(page))
    page.goto(f"{web.url}/{'?show=gallery' if web.native else 'gallery'}")
    page.wait_for_function("window.readyAt", timeout=LONGEST_MS)
    seconds = float(page.evaluate("window.readyAt")) / 1000
    page.wait_for_load_state("networkidle", timeout=LONGEST_MS)
    context.close()
    return Opened(seconds, weighing.bytes / 1e6)


class _Weighing:
    """Adds up what a page loads, websocket included; what comes from the cache weighs nothing."""

    def __init__(self, session: CDPSession) -> None:
        self.bytes = 0
        session.send("Network.enable")
        session.on("Network.dataReceived", self._data)
        session.on("Network.webSocketFrameReceived", self._frame)

    def _data(self, event: dict[str, Any]) -> None:
        self.bytes += event["encodedDataLength"]

    def _frame(self, event: dict[str, Any]) -> None:
        self.bytes += len(event["response"]["payloadData"])
