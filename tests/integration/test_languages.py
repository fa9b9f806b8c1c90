"""Who hears which language: tabs, routes and messages, without a browser."""

from typing import ClassVar

import pytest
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.accounts.passphrases import hash_passphrase
from core.accounts.rules import WRONG
from core.i18n import language, negotiated, speaking
from core.media.folder import FolderStore
from core.models import Asset, Job, NoticeKind, Notify, User, now
from core.notifications.channels import DeliveryFailed, Recipient
from core.notifications.mail import mailbox, render_mail
from core.notifications.message import Message
from core.store import Store
from core.studio.jobs import place_order
from core.studio.order import Order
from core.web.activity.rows import job_row, login_row, others_view_row, view_row
from core.web.resources import studio
from tests.conftest import stored_job
from tests.integration.test_notifications import Mailbox, Recorder, end, rows, sender
from tests.integration.test_web_pages import ROOT, shown
from tests.web import log_in

GERMAN = "de-DE,de;q=0.9,en;q=0.8"
GONE = "E-Mail konnte nicht gesendet werden"


def tab(page: str, locale: str | None, user: str | None = "ana", chosen: str = "") -> AppTest:
    """A browser's tab on a page; `chosen`: the language of the account."""
    app = AppTest.from_file(ROOT / "core" / "web" / "app" / "script.py", default_timeout=120)
    app.user = {"user_id": user}
    if locale is not None:
        app.context = {"locale": locale}
    with speaking(chosen or negotiated(locale)):  # AppTest itself asks what options are called
        app.run()
        app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not app.exception
    return app


class Terminal(Recorder):
    name: ClassVar[str] = "terminal"


class Letterbox(Mailbox):
    """Writes every message as a letter, as the mail's channel does."""

    def __init__(self, content: FolderStore) -> None:
        super().__init__()
        self.content = content
        self.letters: list[str] = []

    def send(self, recipient: Recipient, message: Message) -> None:
        letter = render_mail(message, recipient, mailbox("studio@example.org"), self.content)
        self.letters += [str(part.get_content()) for part in letter.walk() if is_text(part)]


def is_text(part: object) -> bool:
    return getattr(part, "get_content_maintype", str)() == "text"


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize(
    ("locale", "title", "spoken"),
    [("de-DE", "Konto", "de"), ("en-US", "Account", "en"), ("fr", "Account", "en")],
)
def test_a_page_speaks_the_browsers_language(locale: str, title: str, spoken: str) -> None:
    app = tab("account", locale)
    assert [each.value for each in app.title] == [title]
    assert shown(app)["header"]["language"] == spoken


@pytest.mark.usefixtures("page_studio")
def test_a_page_speaks_english_to_a_browser_that_says_nothing() -> None:
    assert [each.value for each in tab("account", None).title] == ["Account"]


@pytest.mark.usefixtures("page_studio")
def test_the_login_speaks_the_browsers_language() -> None:
    assert shown(tab("gallery", "de", None))["login"]["language"] == "de"


@pytest.mark.usefixtures("page_studio")
def test_the_language_is_chosen_on_the_page_account(store: Store) -> None:
    store.users.create("ana")
    app = tab("account", "de-DE")
    choice = app.selectbox(key="account-language-choice")
    assert choice.options == ["Wie der Browser (Deutsch)", "English", "Deutsch"]
    with speaking("de"):
        choice.select("en").run()
    assert [each.value for each in app.title] == ["Account"]
    assert shown(app)["header"]["language"] == "en"
    assert (user := store.users.get("ana")) is not None
    assert user.language == "en"
    assert [each.value for each in tab("activity", "de-DE", chosen="en").title] == ["Activity"]
    app.selectbox(key="account-language-choice").select("").run()
    assert [each.value for each in app.title] == ["Konto"]
    assert store.users.get("ana") == user.model_copy(update={"language": None})


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize("page", ["activity", "notifications", "create", "gallery", "providers"])
def test_every_page_can_be_had_in_german(page: str, store: Store) -> None:
    stored_job(store)
    app = tab(page, "de")
    assert shown(app)["header"]["language"] == "de"
    assert "User id" not in str(app)


@pytest.mark.usefixtures("page_studio")
def test_an_order_remembers_the_language_that_it_was_placed_in(store: Store) -> None:
    with speaking("de"):
        job = place_order(studio(), Order(user_id="ana", prompt="das Meer"))
    assert (found := store.jobs.get(job.id, "ana")) is not None
    assert found.language == "de"


def test_a_route_answers_in_the_browsers_language(client: TestClient) -> None:
    for wanted, detail in ((GERMAN, "Bitte melde dich an."), ("en", "Please log in."), ("", None)):
        response = client.get("/bell", headers={"Accept-Language": wanted})
        assert response.json()["detail"] == (detail or "Please log in.")
    assert language() == "en"


def test_a_page_of_ours_says_which_language_it_is_shown_in(client: TestClient) -> None:
    german = {"Accept-Language": GERMAN}
    assert client.get("/bell?language=en", headers=german).json()["detail"] == "Please log in."
    assert client.get("/bell?language=de").json()["detail"] == "Bitte melde dich an."
    assert client.get("/bell?language=xx", headers=german).json()["detail"] == (
        "Bitte melde dich an."
    )


def test_why_nobody_was_let_in_is_said_in_german(client: TestClient, store: Store) -> None:
    store.users.create("ana", passphrase_hash=hash_passphrase("correct horse battery"))
    typed = {"user_id": "ana", "passphrase": "wrong horse battery"}
    response = client.post("/auth/login?language=de", json=typed)
    assert response.json()["detail"] == (
        "Diese Benutzer-ID und diese Passphrase gehören nicht zusammen."
    )
    assert client.post("/auth/login", json=typed).json()["detail"] == WRONG


def test_why_a_message_was_not_sent_is_said_in_the_readers_language(
    client: TestClient, store: Store
) -> None:
    failure = DeliveryFailed("The mail server refuses this address: 550 no.", permanent=True)
    store.email_addresses.request_confirmation("ana", "ana@example.org")
    store.notices.add("ana", NoticeKind.CONFIRM, "email", "ana@example.org")
    box = Mailbox(failure)
    sender(store, box).send_due(box)
    log_in(client, "ana")
    for spoken, title, why in (
        ("de", f"Eine {GONE}", "Der Mailserver lehnt diese Adresse ab: 550 no."),
        ("en", "An e-mail could not be sent", str(failure)),
    ):
        [notice] = client.get(f"/bell?language={spoken}").json()["notices"]
        assert (notice["title"], notice["text"]) == (title, why)


def test_the_pages_of_a_mails_links_are_german(client: TestClient) -> None:
    page = client.get("/mail/confirm/nothing", headers={"Accept-Language": GERMAN}).text
    assert '<html lang="de">' in page
    assert "Dieser Link führt nirgendwohin" in page


def ended(store: Store, spoken: str | None, channels: tuple[str, ...]) -> Job:
    job, assets = new_job(spoken, channels)
    store.jobs.create(job, assets)
    end(store, job)
    return job


def new_job(spoken: str | None, channels: tuple[str, ...]) -> tuple[Job, list[Asset]]:
    from core.studio.planning import plan  # noqa: PLC0415
    from tests.catalogue import illustrator_only  # noqa: PLC0415

    wish = Notify(channels=channels, email="ana@example.org")
    job, assets = plan(Order(user_id="ana", prompt="das Meer", notify=wish), illustrator_only())
    return job.model_copy(update={"language": spoken}), assets


@pytest.mark.parametrize(
    ("ordered", "chosen", "title"),
    [
        ("de", None, "Deine Inhalte sind nicht gelungen: „das Meer“"),
        ("de", "en", "Your content could not be made: “das Meer”"),
        ("en", "de", "Deine Inhalte sind nicht gelungen: „das Meer“"),
        (None, None, "Your content could not be made: “das Meer”"),
    ],
)
def test_a_message_speaks_its_recipients_language(
    store: Store, ordered: str | None, chosen: str | None, title: str
) -> None:
    store.users.create("ana")
    store.users.set_preferences("ana", language=chosen)
    job = ended(store, ordered, ("app",))
    app, terminal = Recorder(), Terminal()
    assert sender(store, app).send_due(app) == 1
    assert sender(store, terminal).send_due(terminal) == 1
    assert [message.title for _, message in app.taken] == [title]
    assert rows(store, job)["app"].title == title
    assert [message.title for _, message in terminal.taken] == [
        "Your content could not be made: “das Meer”"
    ]


def test_a_letter_is_german(store: Store, content: FolderStore) -> None:
    with speaking("de"):
        store.email_addresses.request_confirmation("ana", "ana@example.org")
        store.notices.add("ana", NoticeKind.CONFIRM, "email", "ana@example.org")
    box = Letterbox(content)
    assert sender(store, box).send_due(box) == 1
    text, html = box.letters
    assert "Bitte bestätige deine E-Mail-Adresse" in text
    assert "Diese Adresse bestätigen" in text
    assert "Der Link gilt" in text
    assert '<html lang="de"' in html
    assert "„Abbestellen“ beendet auch die Fragen." in html
    assert "You get this mail" not in text + html


def test_no_two_columns_of_a_table_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.web.activity.rows.job_address", str)  # it asks the open studio
    from core.i18n import gettext  # noqa: PLC0415
    from core.models import LoginEntry, ViewEntry  # noqa: PLC0415
    from core.store.jobs.activity import ViewsByOther  # noqa: PLC0415

    moment = now()
    login = LoginEntry(
        user_id="ana", outcome="accepted", reason="", address="", agent="", time=moment
    )
    look = ViewEntry(user_id="ana", job_id="j1", asset_id="j1-image-2", action="view", time=moment)
    job, _assets = new_job(None, ())
    visit = ViewsByOther(user_id="", job_id="j1", via=look.via, number=1, downloads=0, last=moment)
    ana = User(id="ana", created_at=moment)
    with speaking("de"):
        tables = [
            *(
                login_row(login, None),
                view_row(look, ana, {}),
                others_view_row(visit, {}),
                job_row(job, ana),
            )
        ]
        assert tables[1]["Item"] == "Bild 2"
        for row in tables:
            assert len({gettext(name) for name in row}) == len(row)
