"""The mail server's inbox in a browser: what was taken, as a mail program shows it."""

import re
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.servers.mail import Mail, MailServer


def application(server: MailServer) -> Starlette:
    """Return the pages: a list at `/`, each mail at `/1`, `/2` …, as it came at `/1.eml` …"""

    async def inbox(_: Request) -> Response:
        lines = [
            f'<li><a href="/{number}">{escape(str(mail.message["Subject"]))}</a> '
            f'to {escape(", ".join(mail.recipients))} · <a href="/{number}.eml">source</a></li>'
            for number, mail in enumerate(server.mails, 1)
        ]
        listed = "\n".join(reversed(lines)) or "<li>Nothing yet.</li>"
        return HTMLResponse(f"<title>Mails</title><meta charset=utf-8><ul>{listed}</ul>")

    async def show(request: Request) -> Response:
        number, mails = request.path_params["number"], server.mails
        if not 0 < number <= len(mails):
            return Response("There is no such mail.", 404)
        return HTMLResponse(as_page(mails[number - 1]))

    async def source(request: Request) -> Response:
        number, mails = request.path_params["number"], server.mails
        if not 0 < number <= len(mails):
            return Response("There is no such mail.", 404)
        return Response(mails[number - 1].content, media_type="text/plain")

    return Starlette(
        routes=[
            Route("/", inbox),
            Route("/{number:int}.eml", source),
            Route("/{number:int}", show),
        ]
    )


def as_page(mail: Mail) -> str:
    """Return a mail's HTML with its pictures in it."""
    body = mail.message.get_body(("html",))
    assert body is not None
    pictures = {
        str(part["Content-ID"]).strip("<>"): part
        for part in mail.message.walk()
        if part.get_content_maintype() == "image"
    }

    def inline(found: re.Match[str]) -> str:
        part = pictures[found[1]]
        coded = str(part.get_payload()).replace("\n", "")  # as it travels: in Base64
        return f"data:{part.get_content_type()};base64,{coded}"

    return re.sub(r"cid:([^\"']+)", inline, body.get_content())
