"""How the front-end components tell what was clicked."""

from collections.abc import Callable
from typing import Any

import pytest

from core.web.frontend import components


def test_a_click_that_comes_when_its_page_was_left_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callbacks: dict[str, Callable[[], None]] = {}

    def mounted(**given: Any) -> None:
        callbacks.update(given)

    received: list[str] = []
    state: dict[str, Any] = {"box": {"ask": "something"}}
    monkeypatch.setattr("streamlit.session_state", state)
    components._mount(mounted, "box", {}, ask=received.append)  # noqa: SLF001  # what all of them do
    callbacks["on_ask_change"]()
    assert received == ["something"]
    del state["box"]
    callbacks["on_ask_change"]()
    assert received == ["something"]
