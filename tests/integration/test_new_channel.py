"""A new notification channel is one module and one registration: this file, and `register`."""

from typing import ClassVar

import pytest

from core.media.folder import FolderStore
from core.notifications.channels import Channel, DeliveryFailed, Recipient
from core.notifications.message import Message
from core.notifications.registry import (
    ChannelType,
    channel_names,
    channel_type,
    open_channels,
    register,
)
from core.settings import Settings
from core.store import Store
from tests.integration.test_notices_page import sections
from tests.integration.test_notifications import end, rows, sender
from tests.integration.test_web_pages import opened, send
from tests.web import OpenBrowser

pytestmark = pytest.mark.usefixtures("page_studio")


class Pigeon(Channel):
    """Carries messages by air."""

    name: ClassVar[str] = "pigeon"
    carried: ClassVar[list[tuple[Recipient, Message]]] = []
    eaten: ClassVar[bool] = False

    def send(self, recipient: Recipient, message: Message) -> None:
        if self.eaten:
            raise DeliveryFailed("A cat ate it.", permanent=True)
        self.carried.append((recipient, message))

    def check(self) -> str:
        return "a dovecote"


@pytest.fixture(autouse=True)
def pigeons(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: channel_type(name) for name in channel_names()}
    monkeypatch.setattr("core.notifications.registry._channels", known)
    monkeypatch.setattr(Pigeon, "carried", [])
    register(
        ChannelType(
            name="pigeon",
            title="Carrier pigeon",
            open=lambda _settings, _content: Pigeon(),
            failure="A pigeon did not arrive",
        )
    )


def test_a_job_is_ordered_in_the_form_and_announced_by_the_new_channel(
    store: Store, settings: Settings, content: FolderStore
) -> None:
    app = opened("create")
    assert "Carrier pigeon" in app.pills(key="notify-channels").options
    app.pills(key="notify-channels").set_value(["pigeon"]).run()
    send(app, "a fox")
    [job] = store.jobs.of_user("ana")
    assert job.notify.channels == ("pigeon",)

    end(store, job)
    assert rows(store, job)["pigeon"].recipient == "ana"

    [pigeon] = [each for each in open_channels(settings, content) if each.name == "pigeon"]
    assert sender(store, pigeon).send_due(pigeon) == 1
    [(recipient, message)] = Pigeon.carried
    assert (recipient.user_id, message.jobs[0].job_id) == ("ana", job.id)


def test_it_can_be_preferred_tested_and_fail(
    store: Store, browser: OpenBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.users.ensure("ana")
    app = opened("notifications")
    app.pills(key="preferences-channels").set_value(["app", "pigeon"]).run()
    app.button(key="preferences-save").click().run()
    ana = store.users.get("ana")
    assert ana is not None
    assert ana.notify.channels == ("app", "pigeon")

    app.selectbox(key="preferences-test-channel").set_value("pigeon").run()
    app.button(key="preferences-test-send").click().run()
    monkeypatch.setattr(Pigeon, "eaten", True)
    assert sender(store, Pigeon()).send_due(Pigeon()) == 0
    [row] = [row for section in sections(store).values() for row in section]
    assert (row["channel"], row["error"]) == ("Carrier pigeon", "A cat ate it.")
    [notice] = browser("ana").get("/bell").json()["notices"]
    assert notice["title"] == "A pigeon did not arrive"
