"""A plain HTML page in the app's colours, without login, script or Streamlit."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from starlette.responses import HTMLResponse

from core.i18n import language

_MARK: Final = (Path(__file__).parents[1] / "frontend" / "mark.svg").read_text(encoding="utf-8")
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# The colours are those of .streamlit/config.toml.
_STYLE: Final = """
:root { color-scheme: light dark; --accent: light-dark(#0e6560, #1f8278); }
* { box-sizing: border-box; }
body {
  display: grid; place-items: center; min-height: 100vh; min-height: 100dvh;
  margin: 0; padding: 1.25rem;
  font: 1.05rem/1.6 "Source Sans", system-ui, sans-serif;
  color: light-dark(#24211c, #f1ece3); background: light-dark(#fbf9f5, #171512);
}
main {
  width: 100%; max-width: 33rem; padding: clamp(1.6rem, 6vw, 3rem);
  border: 1px solid light-dark(#ddd6c9, #3a352e); border-radius: 20px;
  background: light-dark(#ffffff, #211e1a); overflow-wrap: anywhere;
}
h1, .mark { font-family: "Source Serif", Georgia, serif; font-weight: 600; }
.mark { display: flex; align-items: center; gap: 0.6rem; margin: 0 0 1.8rem; font-size: 1.35rem; }
.mark svg { display: block; width: 34px; height: 34px; }
h1 { margin: 0 0 0.8rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; }
p { margin: 0 0 0.8rem; }
p + form, p + .button { margin-top: 1.6rem; }
.faint { color: light-dark(#6d6962, #a7a29a); font-size: 0.95rem; }
.button {
  display: inline-block; min-height: 3rem; padding: 0.7rem 1.6rem;
  border: 0; border-radius: 999px; font: inherit; font-weight: 600; line-height: 1.5;
  color: #fff; background: var(--accent); text-decoration: none; cursor: pointer;
}
.button:hover { filter: brightness(1.12); }
:focus-visible { outline: 2.5px solid var(--accent); outline-offset: 3px; }
"""


def html_page(  # noqa: PLR0913  # the parts of a page
    title: str,
    text: str,
    *,
    faint: str = "",
    below: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a page in the language of the request.

    Args:
        title: the heading, as text.
        text: the paragraph below it, as text; empty: none.
        faint: a smaller paragraph, as text; empty: none.
        below: HTML at the end: `link_button` or `form_button`.
        status: the HTTP status.
        headers: further headers.
    """
    paragraphs = [f"<p>{escape(text)}</p>"] if text else []
    if faint:
        paragraphs.append(f'<p class="faint">{escape(faint)}</p>')
    body = "\n".join([*paragraphs, below])
    return HTMLResponse(
        f"""<!doctype html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Fivefold</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="mark"><span aria-hidden="true">{_MARK}</span> Fivefold</p>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
""",
        status,
        {**(headers or {}), **_HEADERS},
    )


def form_button(text: str) -> str:
    """Return the HTML of a form that posts to the page's own address."""
    return f'<form method="post"><button class="button">{escape(text)}</button></form>'


def link_button(href: str, text: str) -> str:
    """Return the HTML of a link that looks like a button."""
    return f'<a class="button" href="{escape(href)}">{escape(text)}</a>'
