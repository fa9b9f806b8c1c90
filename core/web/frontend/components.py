"""The front-end components, one function each; they draw with the modules of this room.

All nodes are made with `createElement` and `textContent`, never from HTML, so that what users
typed stays text.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core import i18n
from core.web.frontend import assets
from core.web.page_list import menu

_FOLDER: Final = Path(__file__).parent

Callback = Callable[[str], None]
"""Called with the value that a click carries."""


# Streamlit loads a component's script from a `blob:` address, which nothing can be relative to. All
# modules are requested at once: none waits for what imports it. A page is one segment deep.
_SCRIPT: Final = """\
const [{ default: draw }] = await Promise.all(PATHS.map((path) => {
  const address = new URL(path, document.baseURI).href;
  return path.endsWith(".js") ? import(address) : fetch(address).then((file) => file.text());
}));
export default draw;
"""


def _component(module: str) -> Callable[..., Any]:
    """Make the component that a module draws."""
    paths = [assets.address(path) for path in assets.needed(module)]
    return st.components.v2.component(
        f"fivefold_{module.rpartition('/')[2].removesuffix('.js')}",
        js=_SCRIPT.replace("PATHS", json.dumps(paths)),
    )


_header = _component("header/header.js")
_login = _component("pages/login.js")
_job = _component("pages/job.js")
_gallery = _component("gallery/gallery.js")
_create_prompt = _component("pages/create_prompt.js")
_recent_jobs = _component("pages/recent_jobs.js")
_notifications = _component("pages/notifications.js")

FAVICON: Final = str(_FOLDER / "mark.svg")
STREAMLIT_STYLE: Final = (_FOLDER / "pages" / "streamlit.css").read_text(encoding="utf-8")
"""What Streamlit's own elements look like beyond the theme."""


def header(user_id: str, current: str) -> None:
    """Draw the top of a page: the wordmark, the way around, who is logged in, log out.

    Args:
        user_id: who is logged in.
        current: the path of the page it is drawn on.
    """
    _mount(_header, "header", {"user": user_id, "current": current, "menu": menu()})


def login(shown: dict[str, str], on_provider: Callback) -> None:
    """Draw the login page.

    Args:
        shown: `next`, the page of ours to go to afterwards; `mode` and `registration`, the
            settings of that name; `invite`, the secret of the invitation that led here; `recovers`,
            whose passphrase it is to choose anew, or empty; `provider`, what the identity provider
            is called; `ticket`, its claims, signed for `POST /auth/login`;
            `refusal`, why the last login by it came to nothing.
        on_provider: called when the login by the identity provider is chosen.
    """
    _mount(_login, "login", shown, provider=on_provider)


def job(key: str, shown: dict[str, Any]) -> None:
    """Draw a job; what is on the screen already is changed, never made anew.

    It keeps itself up to date by the routes of `core.web.live.sse_routes`, and its buttons ask
    those of `core.web.live.action_routes`.

    Args:
        key: the same for the same job.
        shown: from `core.web.jobs.snapshot.snapshot`, and `note`, shown above it; `zone`, the
            zone of the times; `share`, the key of the link that it is looked at by, or empty.
    """
    _mount(_job, key, shown)


def create_prompt(shown: dict[str, Any], on_ask: Callback) -> None:
    """Draw the prompt's box with the button that sends it.

    Args:
        shown: `user`; `box`, one for each task; `placeholder`; `written`,
            whether there is a prompt at all; `prompt`, what is put into the box where `token`
            is another than before; `limits`, how long it may be: `most` of `units`; `varies`,
            whether variations can be suggested; `expected`, the estimate, and whether it goes
            `beyond` the budget; `button`, its label; `address`, the query that names the rest
            of the form; `stay`; `sent`, what was just ordered: `id`, `href` and `text`, or None;
            `heard`, the last `at` that was received.
        on_ask: called with a request, as JSON: `at` (a number that rises), `name`
            (`create`, `vary`, `stay`, `open`), `prompt`, `terms` and `on`.
    """
    _mount(_create_prompt, f"prompt-{shown['box']}", shown, ask=on_ask)


def gallery(key: str, shown: dict[str, Any]) -> None:
    """Draw a gallery; it fetches what else it shows by itself, from the library's routes.

    Args:
        key: the same for the same gallery.
        shown: from `core.web.library.page.opening`.
    """
    _mount(_gallery, key, shown)


def recent_jobs(shown: dict[str, Any]) -> None:
    """Draw the cards of recent jobs, which keep themselves up to date.

    Args:
        shown: `now`; `cards` from `core.web.jobs.snapshot.card`; `more`, whether there are
            others; and `zone`, the zone of the times.
    """
    _mount(_recent_jobs, "recent_jobs", shown)


def notifications(shown: dict[str, Any], on_act: Callback) -> None:
    """Draw what is due, what failed and what was sent.

    Args:
        shown: from `core.web.inbox.notices.overview`.
        on_act: called with the action of a button, as JSON; see `core.web.inbox.notices.carry_out`.
    """
    _mount(_notifications, "notifications", shown, act=on_act)


def _mount(
    component: Callable[..., Any], key: str, shown: dict[str, Any], **acts: Callback
) -> None:
    """Mount a component; a click on it calls the act of its name with the value it carries."""

    def triggered(name: str) -> None:
        state = st.session_state.get(key)  # None: the page was left while the click was on its way
        value = None if state is None else state.get(name)
        if isinstance(value, str):
            acts[name](value)

    callbacks = {f"on_{name}_change": partial(triggered, name) for name in acts}
    component(key=key, data=shown | {"language": i18n.language()}, **callbacks)
