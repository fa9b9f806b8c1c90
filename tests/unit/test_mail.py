import re
from collections.abc import Sequence
from dataclasses import replace
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.media.folder import FolderStore
from core.media.previews import save_preview
from core.media.storage import StorageUnavailable
from core.models import Asset, JobStatus, Kind, NoticeKind, now
from core.notifications.channels import Recipient
from core.notifications.mail import mailbox, render_mail
from core.notifications.message import JobReport, Message, shortened
from core.notifications.thumbnails import make_thumbnail
from tests.builders import done_item
from tests.conftest import MOMENT

STUDIO = "https://studio.example.org"
UNSUBSCRIBE = f"{STUDIO}/mail/unsubscribe/{'x' * 60}"
ANA = Recipient(user_id="ana", address="ana@example.net", unsubscribe=UNSUBSCRIBE)
SENDER = mailbox("studio@example.org", "The Studio")
HOSTILE = {
    "markup": '<script>alert(1)</script><img src="http://evil.example/x.png">',
    "attribute": """" onmouseover='alert(1)' style="background:url(http://evil.example/x)""",
    "template": "{{ 7 * 7 }} {% for x in y %}",
    "entities": "&lt;b&gt; &amp;amp; &#x202e;",
    "header": "a fox\r\nBcc: eve@evil.example\r\n\r\n<b>hello</b>",
    "bidi": "a \u202eforged\u202c fox \u2066\u2067",
    "emoji": "👩‍🚀 on the 🌙, " * 20,  # joined emoji
    "arabic": "ثعلب أحمر في الثلج",
    "dot": ".\r\n.\r\nQUIT",
    "long": "x" * 4000,
}


@pytest.fixture
def content(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def noise(width: int, height: int) -> Image.Image:
    """A picture that compresses as badly as any."""
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def an_asset(
    content: FolderStore, kind: Kind, slot: int, picture: Image.Image | bytes | None
) -> Asset:
    """An asset that is done, and its preview's file; None: the file is missing."""
    name = f"j-{kind}-{slot}"
    if picture is not None:
        with content.draft("ana", name) as draft:
            if isinstance(picture, bytes):
                draft.path.write_bytes(picture)
            else:
                save_preview(picture, draft.path)
            draft.commit(f".previews/{name}.webp")
    width, height = picture.size if isinstance(picture, Image.Image) else (16, 9)
    preview = f".previews/{name}.webp"
    return done_item(kind, slot, "j", preview=preview, width=width, height=height)


def assets(content: FolderStore, picture: Image.Image, number: int = 5) -> tuple[Asset, ...]:
    return tuple(
        an_asset(content, kind, slot, picture)
        for kind in (Kind.VIDEO, Kind.IMAGE)
        for slot in range(1, number + 1)
    )


def job_report(prompt: str = "the sea", made: Sequence[Asset] = (), job_id: str = "j") -> JobReport:
    return JobReport(
        job_id=job_id,
        prompt=prompt,
        status=JobStatus.COMPLETED,
        title="Your content is ready",
        text="5 videos and 5 images are ready.",
        link=f"{STUDIO}/job?id={job_id}",
        assets=tuple(made),
    )


def message(*jobs: JobReport, kind: NoticeKind = NoticeKind.JOB, **changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "01jx-email-1",
        "kind": kind,
        "title": jobs[0].headline if len(jobs) == 1 else f"{len(jobs)} of your requests have ended",
        "text": jobs[0].text if len(jobs) == 1 else "What came of them.",
        "link": jobs[0].link if len(jobs) == 1 else f"{STUDIO}/",
        "created_at": MOMENT,
        "jobs": jobs,
    }
    return Message(**fields | changed)


def confirmation() -> Message:
    return message(
        kind=NoticeKind.CONFIRM,
        title="Please confirm your e-mail address",
        text="ana would like to be told at this address.",
        link=f"{STUDIO}/mail/confirm/token",
    )


class Seen(HTMLParser):
    """What a mail program makes of a mail's HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class Read:
    """A mail as its receiver gets it."""

    def __init__(self, letter: EmailMessage) -> None:
        self.raw = letter.as_bytes()
        self.mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(self.raw)
        plain, rich = self.mail.get_body(("plain",)), self.mail.get_body(("html",))
        assert plain is not None
        assert rich is not None
        self.plain: str = plain.get_content().replace("\r\n", "\n")
        self.html: str = rich.get_content()
        self.seen = Seen(self.html)
        self.parts = list(self.mail.walk())

    @property
    def pictures(self) -> list[bytes]:
        return [part.get_content() for part in self.parts if part.get_content_subtype() == "jpeg"]

    @property
    def shown(self) -> list[dict[str, str | None]]:
        return [image for image in self.seen.every("img") if image["src"] != "cid:mark@fivefold"]


def read(
    said: Message, content: FolderStore, recipient: Recipient = ANA, sender: Address = SENDER
) -> Read:
    return Read(render_mail(said, recipient, sender, content))


def test_a_mail_is_plain_text_or_html_with_the_pictures_in_it(content: FolderStore) -> None:
    found = read(message(job_report(made=assets(content, noise(64, 36), 1))), content)
    assert [part.get_content_type() for part in found.parts] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/jpeg",
        "image/jpeg",
    ]
    assert all(part.get_content_disposition() == "inline" for part in found.parts[4:])
    assert not any(part.defects for part in found.parts)


def test_the_headers_say_who_what_and_that_a_program_wrote_it(content: FolderStore) -> None:
    mail = read(message(job_report("a fox")), content).mail
    assert mail["From"] == "The Studio <studio@example.org>"
    assert mail["To"] == "ana@example.net"
    assert mail["Subject"] == "Your content is ready: “a fox”"
    assert mail["Message-ID"] == "<01jx-email-1@example.org>"
    assert abs((mail["Date"].datetime - now()).total_seconds()) < 60
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"


def test_a_sender_without_a_name_is_called_fivefold(content: FolderStore) -> None:
    found = read(message(job_report()), content, sender=mailbox("ana@gmail.com"))
    assert found.mail["From"] == "Fivefold <ana@gmail.com>"


def test_mail_is_ended_by_one_click_or_by_the_links_in_it(content: FolderStore) -> None:
    found = read(message(job_report()), content)
    assert f"\r\nList-Unsubscribe: <{UNSUBSCRIBE}>\r\n".encode() in found.raw
    assert found.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert UNSUBSCRIBE in found.plain
    assert UNSUBSCRIBE in [link["href"] for link in found.seen.every("a")]


def test_mail_that_cannot_be_ended_does_not_say_so(content: FolderStore) -> None:
    found = read(confirmation(), content, replace(ANA, unsubscribe=""))
    assert "nsubscribe" not in found.raw.decode().replace("=\r\n", "")


def test_the_confirmation_has_its_link_who_asked_and_how_long_it_works(
    content: FolderStore,
) -> None:
    found = read(confirmation(), content, replace(ANA, unsubscribe=""))
    assert f"{STUDIO}/mail/confirm/token" in [link["href"] for link in found.seen.every("a")]
    assert f"\n{STUDIO}/mail/confirm/token\n" in found.plain
    for text in (found.plain, found.seen.words):
        assert "ana would like to be told at this address." in text
        assert "The link works for 7 days." in text
        assert "ignore this mail" in text


def test_a_test_leads_to_the_settings(content: FolderStore) -> None:
    said = message(
        kind=NoticeKind.TEST, title="This is a test", text="It works.", link=f"{STUDIO}/x"
    )
    found = read(said, content, replace(ANA, unsubscribe=""))
    assert found.raw.isascii()
    assert found.seen.every("a")[0]["href"] == f"{STUDIO}/x"
    assert f"\n{STUDIO}/x\n" in found.plain
    assert "It works." in found.plain
    assert "It works." in found.seen.words


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("number", [1, 2, 12])
def test_a_prompt_is_only_ever_shown(content: FolderStore, prompt: str, number: int) -> None:
    made = assets(content, noise(32, 18), 1)
    plain = read(message(*[job_report("the sea", made)] * number), content)
    found = read(message(*[job_report(prompt, made)] * number), content)
    assert found.mail.keys() == plain.mail.keys()
    assert [tag for tag, _ in found.seen.tags] == [tag for tag, _ in plain.seen.tags]
    assert [attributes for _, attributes in found.seen.tags] == [
        attributes for _, attributes in plain.seen.tags
    ]
    assert shortened(prompt, 300) in found.seen.words
    assert f"“{shortened(prompt, 300)}”" in found.plain
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", found.plain + found.html)
    assert found.raw.isascii()


def test_a_title_cannot_add_headers(content: FolderStore) -> None:
    found = read(message(job_report(), title="a\r\nBcc: eve@evil.example\r\n\r\nhello"), content)
    assert "Bcc" not in found.mail
    assert found.mail["Subject"] == "a Bcc: eve@evil.example hello"


def test_prompts_keep_to_their_own_direction(content: FolderStore) -> None:
    found = read(message(*[job_report("ثعلب")] * 12), content)
    assert sum(each.get("dir") == "auto" for each in found.seen.every("p")) == 12


def test_nothing_is_fetched_from_anywhere(content: FolderStore) -> None:
    made = assets(content, noise(64, 36), 1)
    found = read(message(*[job_report(made=renamed(made, content, n)) for n in range(12)]), content)
    attached = [part["Content-ID"] for part in found.parts if "Content-ID" in part]
    shown = [f"<{str(image['src']).removeprefix('cid:')}>" for image in found.seen.every("img")]
    assert set(shown) == set(attached)
    assert len(set(attached)) == len(attached)
    assert {"link", "script", "iframe", "object"}.isdisjoint(tag for tag, _ in found.seen.tags)
    assert not re.search(r"url\(|@import|srcset|background=", found.html)
    assert all(str(link["href"]).startswith(STUDIO) for link in found.seen.every("a"))


def test_it_can_be_read_aloud_and_without_pictures(content: FolderStore) -> None:
    found = read(message(job_report(made=assets(content, noise(64, 36), 1))), content)
    assert found.seen.every("html")[0]["lang"] == "en"
    assert {table["role"] for table in found.seen.every("table")} == {"presentation"}
    assert [image["alt"] for image in found.shown] == ["Video 1", "Image 1"]
    for text in (found.plain, found.seen.words):
        assert "5 videos and 5 images are ready." in text
        assert "the sea" in text


@pytest.mark.parametrize(
    ("size", "columns"), [((480, 270), 2), ((480, 480), 2), ((270, 480), 3), ((100, 50), 2)]
)
def test_pictures_are_as_large_as_they_are_shown_and_no_larger(
    content: FolderStore, size: tuple[int, int], columns: int
) -> None:
    found = read(message(job_report(made=assets(content, noise(*size)))), content)
    assert len(found.shown) == len(found.pictures) == 8
    assert "2 more are on its page." in " ".join(found.seen.words.split())
    for jpeg, image in zip(found.pictures, found.shown, strict=True):
        width, height = int(str(image["width"])), int(str(image["height"]))
        assert width == 562 // columns - 12
        assert height == pytest.approx(width * size[1] / size[0], abs=1)
        with Image.open(BytesIO(jpeg)) as picture:
            assert picture.format == "JPEG"
            assert picture.width <= min(2 * width, size[0])
            assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.02)
            assert not picture.getexif()
            assert "icc_profile" not in picture.info


def test_the_smaller_pictures_of_a_digest_are_made_smaller(content: FolderStore) -> None:
    made = assets(content, Image.linear_gradient("L").resize((480, 270)), 2)
    found = read(message(job_report(made=made), job_report("a fox")), content)
    assert [image["width"] for image in found.shown] == ["175"] * 3
    assert [Image.open(BytesIO(jpeg)).width for jpeg in found.pictures] == [350] * 3


def test_a_video_has_a_badge_and_an_image_has_none(content: FolderStore) -> None:
    grey = Image.new("RGB", (480, 270), "#808080")
    found = read(message(job_report(made=assets(content, grey, 1))), content)
    centres = []
    for jpeg in found.pictures:
        with Image.open(BytesIO(jpeg)) as picture:
            size = picture.size
            centres.append(picture.convert("L").getpixel((size[0] // 2, size[1] // 2)))
    assert centres == [pytest.approx(255, abs=8), pytest.approx(128, abs=8)]


@pytest.mark.parametrize(
    "picture",
    [None, b"", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b"<html>", b"\x89PNG\r\n\x1a\n"],
    ids=["missing", "empty", "cut", "html", "png"],
)
def test_a_picture_that_is_not_there_makes_room_for_the_next(
    content: FolderStore, picture: bytes | None
) -> None:
    made = list(assets(content, noise(64, 36)))
    content.locate("ana", str(made[0].preview)).unlink()
    made[0] = an_asset(content, Kind.VIDEO, 1, picture)
    made[1] = made[1].model_copy(update={"preview": None})
    found = read(message(job_report(made=made)), content)
    assert [image["alt"] for image in found.shown] == [
        *("Video 3", "Video 4", "Video 5"),
        *("Image 1", "Image 2", "Image 3", "Image 4"),
    ]


def test_a_mail_is_written_without_its_pictures_where_none_can_be_had(
    content: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = assets(content, noise(64, 36))

    def unavailable(*_: object) -> None:
        raise StorageUnavailable("the object store does not answer")

    monkeypatch.setattr(content, "opened", unavailable)
    found = read(message(job_report(made=made)), content)
    assert found.shown == []
    assert "more" not in found.seen.words
    assert "5 videos and 5 images are ready." in found.seen.words


def test_a_digest_shows_ten_jobs_twelve_pictures_and_links_to_the_others(
    content: FolderStore,
) -> None:
    made = assets(content, noise(64, 36))
    jobs = [job_report(f"prompt {n}", renamed(made, content, n), f"j{n}") for n in range(60)]
    found = read(message(*jobs), content)
    assert len(found.pictures) == len(found.shown) == 12
    assert [image["alt"] for image in found.shown] == ["Video 1", "Video 2", "Video 3"] * 4
    links = [link["href"] for link in found.seen.every("a")]
    for number in range(40):
        assert jobs[number].link in links
        assert jobs[number].link in found.plain
        assert f"prompt {number}" in found.seen.words
    assert jobs[40].link not in links
    assert f"{STUDIO}/" in links
    for text in (found.plain, found.seen.words):
        assert text.count("5 videos and 5 images are ready.") == 10
        assert "and 20 more" in text


def renamed(made: Sequence[Asset], content: FolderStore, number: int) -> list[Asset]:
    """Assets of another job, which have files of their own."""
    copies = []
    for asset in made:
        name = f"j{number}-{asset.kind}-{asset.slot}"
        with content.draft("ana", name) as draft:
            draft.path.write_bytes(content.locate("ana", str(asset.preview)).read_bytes())
            draft.commit(f".previews/{name}.webp")
        copies.append(asset.model_copy(update={"id": name, "preview": f".previews/{name}.webp"}))
    return copies


def test_not_even_the_heaviest_pictures_make_a_heavy_mail(content: FolderStore) -> None:
    heavy = assets(content, noise(480, 480))
    alone = read(message(job_report(made=heavy)), content)
    several = [
        job_report(
            "🌙" * 4000, renamed(heavy, content, number) if number < 12 else (), f"j{number}"
        )
        for number in range(500)
    ]
    digest = read(message(*several), content)
    assert (len(alone.pictures), len(digest.pictures)) == (8, 12)
    for found in (alone, digest):
        assert len(found.raw) < 600_000
        assert len(found.html.encode()) < 90_000  # Gmail cuts at 102 KB


@pytest.mark.parametrize("size", [(1, 480), (480, 1), (480, 20)])
def test_a_picture_of_any_shape_fits_into_a_mail(
    content: FolderStore, size: tuple[int, int]
) -> None:
    asset = an_asset(content, Kind.IMAGE, 1, Image.new("RGB", size, "teal"))
    made = make_thumbnail(asset, content, 200, 100_000)
    assert made is not None
    assert 80 <= made.height <= 500
    with Image.open(BytesIO(made.jpeg)) as picture:
        assert picture.width / picture.height == pytest.approx(200 / made.height, rel=0.05)


def test_what_is_transparent_is_white_in_a_mail(content: FolderStore) -> None:
    picture = Image.new("RGBA", (96, 64), (255, 0, 255, 0))
    picture.paste((0, 128, 0, 255), (0, 0, 48, 64))
    made = make_thumbnail(an_asset(content, Kind.IMAGE, 1, picture), content, 96, 100_000)
    assert made is not None
    with Image.open(BytesIO(made.jpeg)) as shown:
        left, right = shown.getpixel((20, 32)), shown.getpixel((80, 32))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert min(right) > 245
    assert left[1] > left[0] + 80


def test_a_picture_that_is_none_of_ours_is_left_out(content: FolderStore) -> None:
    huge = BytesIO()
    Image.new("RGB", (16_000, 16), "teal").save(huge, "WEBP")
    asset = an_asset(content, Kind.IMAGE, 1, huge.getvalue())
    assert make_thumbnail(asset, content, 200, 100_000) is None
