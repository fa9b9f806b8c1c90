"""The example of a provider in `docs/` is installed as a user would, found, and makes files."""

import asyncio
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.generation.executor import Executor
from core.generation.heartbeat import Heartbeat
from core.media.folder import FolderStore
from core.media.inspection import inspect
from core.models import AssetState, InvalidInput, Kind
from core.providers.registry import Catalogue, open_catalogue
from core.settings import Settings
from core.store import Store
from core.studio.order import Choice, Order
from core.studio.planning import plan
from tests.product import ROOT

EXAMPLE = ROOT / "docs" / "example_provider"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example is installed in, with what is on this machine already."""
    try:
        setuptools = tuple(map(int, version("setuptools").split(".")[:2]))
    except PackageNotFoundError:
        pytest.skip("setuptools is not installed, and nothing is fetched from the network here")
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, folder / "source")  # it is built where it lies
    target = folder / "packages"
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    pip += ["--disable-pip-version-check", "--target", str(target), str(source)]
    # Without what wheels are made with, pip builds nothing; setuptools then puts it there itself.
    alone = ["-c", "import setuptools; setuptools.setup()", "--quiet"]
    alone += ["build", "--build-lib", str(target), "egg_info", "--egg-base", str(target)]
    makes_wheels = setuptools >= (70, 1) or find_spec("wheel") is not None
    target.mkdir()
    done = subprocess.run(
        [sys.executable, *(pip if makes_wheels and find_spec("pip") else alone)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture
def catalogue(packages: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.syspath_prepend(packages)
    return open_catalogue(Settings(drawing_processes=1))


def test_another_process_finds_it_before_the_others(packages: Path, tmp_path: Path) -> None:
    look = (
        "import asyncio; from core.providers.registry import open_catalogue; "
        "from core.settings import Settings; found = open_catalogue(Settings(_env_file=None)); "
        "print(*found.providers, found.broken); "
        "print(asyncio.run(found.providers['plasma'].check()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", look],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(packages), str(ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == ["plasma illustrator {}", "Draws waves; needs nothing."]


def test_its_image_and_its_clip_are_made_and_kept(
    catalogue: Catalogue, store: Store, content: FolderStore
) -> None:
    choice = Choice(options={"scale": "6"})
    order = Order(
        user_id="ana",
        prompt="the sea",
        ratio="16:9",
        seconds=1,
        choices=dict.fromkeys(Kind, choice),
    )
    job, assets = plan(order, catalogue)
    assert {asset.provider for asset in assets} == {"plasma"}
    assert {asset.params["scale"] for asset in assets} == {6.0}
    store.jobs.create(job, assets)
    chosen = [next(each.id for each in assets if each.kind == kind) for kind in Kind]

    async def main() -> None:
        executor = Executor(store, catalogue, content, Heartbeat(store, "test:1", 60))
        store.queue.hand_out(chosen, "ticket", 60)
        await asyncio.gather(*(executor.run(asset_id, "ticket") for asset_id in chosen))
        await catalogue.close()

    asyncio.run(main())
    for asset_id in chosen:
        asset = store.assets.get(asset_id)
        assert asset is not None
        assert (asset.state, asset.error) == (AssetState.DONE, None)
        assert asset.path is not None
        clip = asset.kind == Kind.VIDEO
        file = content.locate("ana", asset.path)
        found = inspect(file, asset.kind, width=640, height=360, seconds=1 if clip else None)
        assert found.sha256 == asset.sha256


def test_its_option_is_checked(catalogue: Catalogue) -> None:
    choices = {Kind.IMAGE: Choice(options={"scale": "100"})}
    with pytest.raises(InvalidInput, match="“Scale” goes from 1 to 20"):
        plan(Order(user_id="ana", prompt="the sea", choices=choices), catalogue)
    asyncio.run(catalogue.close())
