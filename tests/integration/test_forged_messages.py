"""Forged messages over the pages' websocket: every widget and component of every page.

A real web process, a paid provider, and a browser that sends what no browser would. Whatever it
sends, nothing is ordered, nobody else's page suffers, and nobody sees a traceback, the log either.
`FORGED=2000 pytest tests/integration/test_forged_messages.py` is the deep profile.
"""

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from core.models import AssetState
from core.settings import Settings
from core.store import Store
from tests.conftest import stored_job
from tests.integration.test_websocket import opened
from tests.product import free_port
from tests.servers.web import cookie, serving

CASES: Final = int(os.environ.get("FORGED", "150"))
EVENTS: Final = "$$STREAMLIT_INTERNAL_KEY_{}__events"
TEXTS: Final = (
    *(
        "",
        " ",
        "0",
        "-1",
        "None",
        "null",
        "NaN",
        "1e999",
        "x" * 300,
        "x" * 1_000_000,
        "\x00",
        "\u202e",
    ),
    *(
        "openai/gpt-of-before",
        "gpt · Nobody",
        "../../etc/passwd",
        "<b>x</b>",
        "{}",
        "[]",
        "[[[[]]]]",
    ),
    *(
        "2026-13-45T99:99",
        "25:61",
        "Mars/Phobos",
        "Klingon",
        "{'a': 1}",
        "ß" * 5_000,
        "$ne",
        "🦊" * 99,
    ),
)
JSONS: Final = (
    *TEXTS,
    *('{"edited_rows": {"999": {"prompt": 7}}}', '{"edited_rows": {"x": {}}, "added_rows": [{}]}'),
    *('{"deleted_rows": [0, 1, 2]}', '{"edited_rows": {"0": {"prompt": ["a"]}}}', '"\\ud800"'),
    *("[" * 3_000, '{"a": ' * 2_000, "1" * 5_000, '[{"event": "ask", "value": null}]'),
    *('[{"event": 7, "value": 7}]', '[{"event": "ask"}]', '[{"value": "x"}]', "[null]", "[7]"),
    '{"row": 99999, "column": -1}',
    '{"selection": {"rows": [-1, 1e99], "columns": ["x"]}}',
)
ASKED: Final = (
    *("{}", "[]", "7", "null", "{", '{"at": NaN, "name": "create", "prompt": "x"}'),
    '{"at": 1e999, "name": "create", "prompt": "x"}',
    '{"at": 9e99, "name": "create", "prompt": "\\ud800"}',
    '{"at": 9e99, "name": "create", "prompt": "a lighthouse", "terms": "others"}',
    '{"at": 9e99, "name": "open", "on": "//evil.example.org"}',
    '{"at": [], "name": {}, "prompt": 7, "on": "x"}',
    '{"name": "cancel", "id": "\\ud800", "on": "job"}',
    '{"name": "reschedule", "id": "x", "on": "notice", "local": "9999-99-99"}',
    '{"name": ["send_now"], "id": {"$ne": 1}, "on": "notice"}',
)
PAGES: Final = (
    *("", "gallery", "job", "notifications", "activity", "account", "shared", "login", "providers"),
)
UNSEEN: Final = ("Traceback", 'File "/', "site-packages", "StreamlitAPIException")


@dataclass(frozen=True)
class Web:
    """A web process and what it writes."""

    port: int
    log: Path


@pytest.fixture
def web(settings: Settings, store: Store, tmp_path: Path) -> Iterator[Web]:
    """A web process on the test's database, with a provider that costs money."""
    assert store.ping()
    log = tmp_path / "web.log"
    priced = {
        "OPENAI_API_KEY": "for-tests",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1",  # nobody is there
        "OPENAI_CHAT_MODEL": "",
    }
    with serving(settings, priced, log) as running:
        yield Web(running.port, log)


@dataclass(frozen=True)
class Drawn:
    """A page as its browser was told: the widgets' ids with what they are, and everything."""

    widgets: dict[str, str]
    content: str


class Tab:
    """A browser's tab on a page, which is opened anew where the process closes it."""

    def __init__(self, web: Web, secret: str, page: str, query: str) -> None:
        self._web, self._secret, self._page, self._query = web, secret, page, query
        self._socket: ClientConnection | None = None

    def run(self, *states: WidgetState) -> Drawn:
        """Send widgets' states, and return what comes of it."""
        if self._socket is None:
            self._socket = opened(self._web.port, cookie(self._secret)).__enter__()
            self._ask()
        try:
            return self._ask(*states)
        except ConnectionClosed:  # its own connection may be cut for what it sends
            self.close()
            return Drawn({}, "")

    def _ask(self, *states: WidgetState) -> Drawn:
        assert self._socket is not None
        asked = BackMsg()
        asked.rerun_script.query_string = self._query
        asked.rerun_script.page_name = self._page
        asked.rerun_script.widget_states.widgets.extend(states)
        self._socket.send(asked.SerializeToString())
        widgets: dict[str, str] = {}
        content: list[str] = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(60, decode=False))
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                name = element.WhichOneof("type") or ""
                assert name != "exception", str(element)[:2_000]
                inner = getattr(element, name)
                content.append(str(inner)[:20_000])
                if widget := getattr(inner, "id", ""):
                    widgets[widget] = name
            elif kind == "script_finished":
                return Drawn(widgets, "\n".join(content))

    def close(self) -> None:
        """Leave the page."""
        if self._socket is not None:
            with suppress(ConnectionClosed):
                self._socket.__exit__(None, None, None)
            self._socket = None


NUMBERS: Final = (float("nan"), float("inf"), -1e308, 0.5, 21.0, 1e18)
VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "trigger_value": (True, False),
    "bool_value": (True, False),
    "double_value": NUMBERS,
    "int_value": (-(2**63), -1, 0, 4, 21, 2**53, 2**63 - 1),
    "string_value": TEXTS,
    "json_value": JSONS,
    "json_trigger_value": JSONS,
    "bytes_value": (b"", bytes(range(256))),
    "double_array_value": ({"data": NUMBERS},),
    "int_array_value": ({"data": (-1, 0, 2**60)}, {"data": ()}),
    "string_array_value": ({"data": TEXTS}, {"data": ()}, *({"data": [text]} for text in TEXTS)),
    "string_trigger_value": tuple({"data": text} for text in TEXTS),
}
"""Odd values by the fields of the protocol; every other field is sent empty."""
FIELDS: Final = [each.name for each in WidgetState.DESCRIPTOR.oneofs_by_name["value"].fields]


def forged(widget: str, name: str, chance: random.Random) -> WidgetState:
    """A state of a widget or component that no browser sends."""
    if name == "bidi_component" and chance.random() < 0.7:
        event = chance.choice(("ask", "act", "provider", "change", "x"))
        value: object = chance.choice(ASKED) if chance.random() < 0.8 else chance.choice(JSONS)
        events = json.dumps([{"event": event, "value": value}])
        return WidgetState(id=EVENTS.format(widget), json_trigger_value=events)
    field = chance.choice(FIELDS)
    return WidgetState(id=widget, **{field: chance.choice(VALUES.get(field, ({},)))})


def test_whatever_a_browser_sends_orders_nothing_and_harms_nobody(web: Web, store: Store) -> None:
    for user_id in ("ana", "eve"):
        store.users.create(user_id)
    job, assets = stored_job(store, "eve", "of eve's own")
    done = {"state": str(AssetState.DONE), "width": 8, "height": 8, "path": "x.png"}
    store._database["assets"].update_one({"_id": assets[0].id}, {"$set": done})  # noqa: SLF001
    secret, session = store.login_sessions.begin("eve", 30)
    honest, _ = store.login_sessions.begin("ana", 30)
    victim = Tab(web, honest, "", "")
    victim.run()
    chance = random.Random(CASES)  # the same cases every time
    queries = {"job": f"id={job.id}", "shared": "key=x", "gallery": "user=ana"}
    tabs = {page: (page, queries.get(page, "")) for page in PAGES}
    tabs |= {"animate": ("", f"animate={assets[0].id}"), "upscale": ("", f"upscale={assets[0].id}")}
    each, seen, failures = -(-CASES // len(tabs)), set(), []
    for name, (page, query) in tabs.items():
        tab = Tab(web, secret, page, query)
        widgets = tab.run().widgets
        for number in range(each):
            if not widgets:
                break
            picked = chance.choice(sorted(widgets))
            states = [forged(picked, widgets[picked], chance)]
            if chance.random() < 0.2:  # several at once
                other = chance.choice(sorted(widgets))
                states.append(forged(other, widgets[other], chance))
            drawn = tab.run(*states)
            seen.add((name, widgets[picked]))
            if any(text in drawn.content for text in UNSEEN):
                failures.append((name, widgets[picked], str(states)[:300]))
            if number % 10 == 9:
                tab.close()  # what one message did to a tab does not hide what the next one does
        tab.close()
        if store.login_sessions.under("user_id").active([session.id]) == {}:
            secret, session = store.login_sessions.begin("eve", 30)  # it logged itself out
    assert failures == []
    assert len({page for page, _ in seen}) >= len(PAGES) - 2
    assert [each.id for each in store.jobs.of_user("eve", 100)] == [job.id]
    assert store.jobs.of_user("ana", 100) == []
    for user in store.users.all():
        assert user.language is None or user.language in {"en", "de"}
    assert "prompt" in victim.run().content
    victim.close()
    log = web.log.read_text(errors="replace")
    assert "Traceback" not in log, log[-8_000:]
