"""Browsers in words."""

from typing import Final

from core.i18n import N_
from core.i18n import gettext as _

# A user agent contains the names of other browsers, so the order matters:
# https://developer.mozilla.org/docs/Web/HTTP/Guides/Browser_detection_using_the_user_agent
_BROWSERS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS: Final = {
    "iPhone": N_("an iPhone"),
    "iPad": N_("an iPad"),
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def browser_text(agent: str) -> str:
    """Return a browser in words, such as “Chrome on Linux”, from its user agent."""
    browser = next((name for mark, name in _BROWSERS.items() if mark in agent), None)
    browser = browser or _("Another browser")
    system = next((name for mark, name in _SYSTEMS.items() if mark in agent), "")
    if not system:
        return browser
    return _("{browser} on {system}").format(browser=browser, system=_(system))
