"""The front-end components: each a Python function here, a `.js` and a `.css` beside it.

All nodes are made with `createElement` and `textContent`, never from HTML, so that what users
typed stays text. `dom.js` and `base.css` are put before every component's own.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core import i18n

_FOLDER: Final = Path(__file__).parent

Act = Callable[[str], None]
"""Called with the id that a click was about."""


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _component(name: str, *, js: Sequence[str] = (), css: Sequence[str] = ()) -> Callable[..., Any]:
    """Make a component of its own files, after those that others have too and those it names."""
    words = f"const CATALOGUES = {json.dumps(i18n.for_browsers())};\n"
    return st.components.v2.component(
        f"fivefold_{name}",
        css="".join(_read(f"{each}.css") for each in ("base", *css, name)),
        js=words + "".join(_read(f"{each}.js") for each in ("dom", *js, name)),
    )


_masthead = _component("masthead", js=("toasts", "bell"), css=("bell",))
_login = _component("login")
_TILES_JS: Final = ("library", "dialogs", "details", "zoom", "transport", "lightbox", "tile")
_TILES_CSS: Final = ("dialogs", "lightbox", "tile")

_board = _component("board", js=(*_TILES_JS, "live"), css=_TILES_CSS)
_gallery = _component(
    "gallery", js=(*_TILES_JS, "compare", "grid", "filters"), css=(*_TILES_CSS, "compare")
)
_prompt = _component("prompt")
_shelf = _component("shelf", js=("live",))
_notices = _component("notices")
FAVICON: Final = str(_FOLDER / "mark.svg")
PAGE_STYLE: Final = _read("page.css")
"""What Streamlit's own elements look like beyond the theme."""


def masthead(user_id: str, current: str) -> None:
    """Draw the top of a page: the wordmark, the way around, who is logged in, log out.

    Args:
        user_id: who is logged in.
        current: the path of the page it is drawn on.
    """
    _mount(_masthead, "masthead", {"user": user_id, "current": current})


def login_form(shown: dict[str, str], on_provider: Act) -> None:
    """Draw the login page.

    Args:
        shown: `next`, the page of ours to go to afterwards; `mode` and `registration`, the
            settings of that name; `invite`, the secret of the invitation that led here; `recovers`,
            whose passphrase it is to choose anew, or empty; `provider`, what the identity provider
            is called; `ticket`, what it said, ready to be handed in;
            `refusal`, why the last login by it came to nothing.
        on_provider: called when the login by the identity provider is chosen.
    """
    _mount(_login, "login", shown, provider=on_provider)


def board(key: str, shown: dict[str, Any]) -> None:
    """Draw a job; what is on the screen already is changed, never made anew.

    It keeps itself up to date by the routes of `core.web.live.sse_routes`, and its buttons ask
    those of `core.web.live.action_routes`.

    Args:
        key: the same for the same job.
        shown: from `core.web.jobs.snapshot.snapshot`, and `note`, said above it; `zone`, the
            zone of the times; `share`, the key of the link that it is looked at by, or empty.
    """
    _mount(_board, key, shown)


def prompt_box(shown: dict[str, Any], on_ask: Act) -> None:
    """Draw the prompt's box with the button that sends it.

    Args:
        shown: `user`; `box`, one for each thing that can be asked for; `placeholder`; `written`,
            whether a prompt is asked for at all; `prompt`, what is put into the box where `token`
            is another than before; `limits`, how long it may be: `most` of `units`; `varies`,
            whether variations can be suggested; `expected`, the estimate, and whether it goes
            `beyond` the budget; `button`, what it says; `address`, the query that names the rest
            of the form; `stay`; `sent`, what was just ordered: `id`, `href` and `text`, or None;
            `heard`, the last `at` that was heard.
        on_ask: called with what is asked for, as JSON: `at` (a number that rises), `name`
            (`create`, `vary`, `stay`, `open`), `prompt`, `terms` and `on`.
    """
    _mount(_prompt, f"prompt-{shown['box']}", shown, ask=on_ask)


def gallery(key: str, shown: dict[str, Any]) -> None:
    """Draw a gallery; it fetches what else it shows by itself, from the library's routes.

    Args:
        key: the same for the same gallery.
        shown: from `core.web.library.page.opening`.
    """
    _mount(_gallery, key, shown)


def shelf(shown: dict[str, Any]) -> None:
    """Draw the cards of recent jobs, which keep themselves up to date.

    Args:
        shown: `now`; `cards` from `core.web.jobs.snapshot.card`; `more`, whether there are
            others; and `zone`, the zone of the times.
    """
    _mount(_shelf, "shelf", shown)


def notices(shown: dict[str, Any], on_act: Act) -> None:
    """Draw what is due, what failed and what was sent.

    Args:
        shown: from `core.web.inbox.notices.overview`.
        on_act: called with what a button asks for, as JSON; see `core.web.inbox.notices.carry_out`.
    """
    _mount(_notices, "notices", shown, act=on_act)


def _mount(component: Callable[..., Any], key: str, shown: dict[str, Any], **acts: Act) -> None:
    """Mount a component; a click on it calls the act of its name with the value it carries."""

    def happened(name: str) -> None:
        told = st.session_state.get(key)  # None: the page was left while the click was on its way
        value = None if told is None else told.get(name)
        if isinstance(value, str):
            acts[name](value)

    callbacks = {f"on_{name}_change": partial(happened, name) for name in acts}
    component(key=key, data=shown | {"language": i18n.language()}, **callbacks)
