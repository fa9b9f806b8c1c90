"""How fast a thousand due mails are sent."""

import os
import time
from collections.abc import Iterator
from typing import Final

import psutil
import yagmail
from PIL import Image

from benchmarks.harness import PYTHON, Bench, Fivefold, Options, Row, spread, started
from core.media.previews import save_preview
from core.models import NoticeStatus
from tests.outbox import ADDRESS, USER, fill
from tests.servers.mail import MailServer, environment_of

MAIL_SECONDS: Final = 0.05
CONNECTIONS: Final = (1, 4, 8)
PICTURES: Final = 5
SCRIPT_SHARE: Final = 5  # the script sends so much less, for it takes as long for each
AIM: Final = 1.25


def mails(bench: Bench, options: Options) -> Iterator[Row]:
    """From the notifier's first mail to the last, over so many connections; with pictures too."""
    number = 100 if options.quick else 1000
    script = [_script(number // SCRIPT_SHARE) for _ in range(options.rounds)]
    what = f"{number:,} due mails, server of {1000 * MAIL_SECONDS:.0f} ms"
    yield Row(f"{what}: the least, one connection", f"{number * MAIL_SECONDS:.1f} s")
    yield Row(
        f"{what}: script that calls `yagmail.send`, ÷ the least (logs in for each mail)",
        spread([each / (number // SCRIPT_SHARE * MAIL_SECONDS) for each in script]),
    )
    cases = [(connections, False) for connections in CONNECTIONS] + [(CONNECTIONS[1], True)]
    for connections, pictures in cases:
        shares, processor, opened = [], [], []
        for _ in range(options.rounds):
            with bench.fivefold() as fivefold, MailServer(tls="ssl", delay=MAIL_SECONDS) as server:
                seconds, used = _send(fivefold, server, number, connections, pictures=pictures)
                shares.append(seconds / (number * MAIL_SECONDS / connections))
                processor.append(1000 * used / number)
                opened.append(server.connections)
        words = f", {PICTURES} pictures each" if pictures else ""
        met = None if pictures else sorted(shares)[len(shares) // 2] <= AIM
        yield Row(
            f"{what}: Fivefold, connections: {connections}{words}; ÷ the least over so many",
            f"{spread(shares)}; {spread(processor, '.0f', ' ms')} of processor time a mail; "
            f"connections opened: {max(opened)}",
            "" if pictures else f"≤ {AIM}",
            met,
        )


def _send(
    fivefold: Fivefold, server: MailServer, number: int, connections: int, *, pictures: bool
) -> tuple[float, float]:
    """Return the seconds from the first mail to the last, and those of the notifier's processor."""
    fivefold.store.email_addresses.confirm_locally(USER, ADDRESS)
    fill(fivefold.database, number, _previews(fivefold) if pictures else ())
    environment = os.environ | environment_of(server) | fivefold.environment
    environment["SMTP_CONNECTIONS"] = str(connections)
    log = fivefold.folder / "notifier.log"
    with started([*PYTHON, "core", "notifier"], log, environment) as process:
        server.wait_for(1, 60)
        notifier = psutil.Process(process.pid)
        before = sum(notifier.cpu_times()[:2])
        came = server.wait_for(number, 600)
        used = sum(notifier.cpu_times()[:2]) - before
        while fivefold.store.notices.of_user(USER, [NoticeStatus.DUE], 1):
            time.sleep(0.05)
    if len(server.mails) != number:
        raise RuntimeError("A mail came twice.")
    # The first one's own time is in it: it was begun so long before it was taken.
    return came[-1].time - came[0].time + MAIL_SECONDS, used


def _script(number: int) -> float:
    """Return the seconds in which a plain script sends so many."""
    password = "for-tests"  # noqa: S105  # of our own server
    with MailServer(tls="ssl", user="studio", password=password, delay=MAIL_SECONDS) as server:
        os.environ["SSL_CERT_FILE"] = str(server.authority_file)
        client = yagmail.SMTP(
            {"studio": "Fivefold"},
            password,
            host="127.0.0.1",
            port=server.port,
            soft_email_validation=False,
        )
        began = time.monotonic()
        for turn in range(number):
            client.send(
                ADDRESS, f"Your content is ready: {turn}", "5 images and 5 videos are ready."
            )
        return time.monotonic() - began


def _previews(fivefold: Fivefold) -> list[str]:
    """Save small pictures, as those of a job's images, and return where they are stored."""
    folder = fivefold.folder / "content" / USER / ".previews"
    folder.mkdir(parents=True)
    names = []
    for slot in range(PICTURES):
        bands = [Image.radial_gradient("L"), Image.linear_gradient("L"), Image.new("L", (256, 256))]
        grain = Image.effect_noise((256, 256), 30).convert("RGB")
        picture = Image.blend(Image.merge("RGB", bands), grain, 0.2)
        save_preview(picture.resize((480, 480)), folder / f"picture-{slot}.webp")
        names.append(f"{USER}/.previews/picture-{slot}.webp")
    return names
