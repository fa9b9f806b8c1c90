"""A provider is one module: the form, the estimate and `doctor` have it without being told."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core import providers
from core.cli.doctor import probes
from core.models import Kind
from core.providers.registry import ENTRY_POINTS, open_catalogue
from core.settings import Settings
from core.web.resources import WebStudio, studio
from tests.integration.test_create_page import box
from tests.integration.test_web_pages import opened

MODULE = """
import os

from core.models import Cost, Kind
from core.providers.base import Capability, Option
from tests.contract.fakes import FakeProvider


class Lantern(FakeProvider):
    name, title = "lantern", "Lantern"

    def capabilities(self):
        glow = Option(name="glow", title="Glow", choices=("faint", "bright"))
        shape = {"ratios": {"1:1": (64, 64)}, "options": (glow,)}
        cost = Cost(estimated=0.25)
        return [Capability(kind=Kind.IMAGE, model="lantern-1", cost=cost, **shape)]

    async def check(self):
        return "The lantern is lit."


def from_settings(settings):
    return [Lantern()] if os.environ.get("LANTERN_KEY") else []
"""


def as_built_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(folder)])
    return "core.providers.lantern"


def as_plug_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    metadata = folder / "lantern-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\nlight = lantern\n")
    monkeypatch.syspath_prepend(folder)
    return "lantern"


@pytest.mark.parametrize("add", [as_built_in, as_plug_in])
def test_one_module_adds_a_provider_to_form_estimate_and_doctor(
    add: Callable[[pytest.MonkeyPatch, Path], str],
    settings: Settings,
    page_studio: WebStudio,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert "lantern" not in page_studio.catalogue.providers
    folder = tmp_path / "added"
    folder.mkdir()
    (folder / "lantern.py").write_text(MODULE)
    module = add(monkeypatch, folder)
    monkeypatch.delitem(sys.modules, module, raising=False)
    assert "lantern" not in open_catalogue(settings).providers  # not switched on
    monkeypatch.setenv("LANTERN_KEY", "lit")
    studio.clear()

    with studio().store:
        app = opened("create")
        offered = [option for each in app.selectbox for option in each.options]
        assert "lantern-1 · Lantern" in offered
        assert "Glow" in {each.label for each in app.selectbox}
        assert box(app)["expected"].startswith("About $1.25")
        [found] = [each for each in probes(settings) if each.name == "Lantern"]
        assert found.check() == "The lantern is lit."
        assert open_catalogue(settings).choose(Kind.IMAGE)[0].name == "lantern"
    del sys.modules[module]
