"""All stand-ins at once, to try the real SDKs' paths by hand (`make stand-ins`)."""

import argparse
import asyncio
import contextlib

import uvicorn
from starlette.types import ASGIApp

from tests.servers import horde, inbox, oidc, openai, runway
from tests.servers.mail import MailServer
from tests.servers.odd import Odd
from tests.servers.wire import DroppableProtocol, VendorRecords

KEY = "key_stand-in"
CLIENT = "fivefold"


async def serve(first_port: int, seconds: float, odd: int | None) -> None:
    """Serve vendors, an inbox, its mail server and an OpenID provider from `first_port` on."""
    mails = MailServer(port=first_port + 4)
    people = (oidc.ANA, oidc.BEN)
    applications: dict[int, ASGIApp] = {
        first_port: Odd(openai.application(VendorRecords(KEY), seconds=seconds), odd),
        first_port + 1: Odd(runway.application(VendorRecords(KEY), seconds=seconds), odd),
        first_port + 2: Odd(horde.application(VendorRecords(KEY), seconds=seconds), odd),
        first_port + 3: inbox.application(mails),
        first_port + 5: oidc.application(people, client_id=CLIENT, client_secret=KEY),
    }
    servers = [
        uvicorn.Server(
            uvicorn.Config(
                application,
                port=port,
                http=DroppableProtocol,
                log_level="warning",
                access_log=False,
            )
        )
        for port, application in applications.items()
    ]
    first, second, third, fourth, sixth = (f"http://127.0.0.1:{port}" for port in applications)
    print(  # noqa: T201  # for the person at the terminal
        "Stand-ins are running; they cost nothing and draw only what was asked for, in words.\n"
        "In another terminal:\n\n"
        f"  OPENAI_BASE_URL={first}/v1 OPENAI_API_KEY={KEY} \\\n"
        "  OPENAI_VIDEO_MODELS=wan-2.2 OPENAI_CHAT_MODEL=chat \\\n"
        f"  RUNWAYML_BASE_URL={second} RUNWAYML_API_SECRET={KEY} \\\n"
        f"  AI_HORDE=true AI_HORDE_BASE_URL={third} AI_HORDE_API_KEY={KEY} \\\n"
        f"  SMTP_HOST=127.0.0.1 SMTP_PORT={mails.port} SMTP_TLS=none \\\n"
        "  MAIL_FROM=studio@example.org make run\n\n"
        "Before that, to log in as people of the stand-in OpenID Connect provider:\n\n"
        f"  LOGIN=oidc OIDC_METADATA_URL={sixth}/.well-known/openid-configuration \\\n"
        f"  OIDC_CLIENT_ID={CLIENT} OIDC_CLIENT_SECRET={KEY} \\\n\n"
        f"Mails are shown at {fourth}\n",
        flush=True,
    )
    with mails:
        await asyncio.gather(*(server.serve() for server in servers))


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=9101, help="the first of six")
    parser.add_argument("--seconds", type=float, default=6.0, help="that a piece of work takes")
    parser.add_argument(
        "--odd", type=int, metavar="SEED", help="answer as oddly as vendors do, by this seed"
    )
    chosen = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(chosen.port, chosen.seconds, chosen.odd))


if __name__ == "__main__":
    main()
