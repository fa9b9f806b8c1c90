"""A library that is full at once: finished items with real files, as if they had been made.

`python -m tests.seed --user ana --images 60 --clips 25` fills the Fivefold of the environment
(`MONGODB_URI` or `DATA_DIR`, and `CONTENT_URL`). A few pictures and clips are drawn and stand for
all; in a folder they are hard links, so that ten thousand items take seconds and hardly any room.
"""

import argparse
import colorsys
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core import models
from core.media.encoding import encode_clip, encode_png
from core.media.folder import FolderStore
from core.media.previews import POSTER_PIXELS, save_preview
from core.media.storage import PREVIEWS, ContentStore, open_content, own_name
from core.settings import load_settings
from core.store import Store, open_store

ITEMS_A_JOB: Final = 10
LARGER: Final = 3  # half as large again
COARSE: Final = 4  # what has no grain is drawn so much smaller, which takes a tenth of the time
IMAGE_GRAIN, CLIP_GRAIN = 0.1, 0.03  # of what is large
FPS: Final = 12
SIZES: Final = {"3:2": (768, 512), "1:1": (512, 512), "2:3": (512, 768), "16:9": (832, 468)}
MODELS: Final = {
    models.Kind.IMAGE: (("illustrator", "scenes"), ("openai", "gpt-image-2.6-flare")),
    models.Kind.VIDEO: (("illustrator", "scenes"), ("runway", "gen4.5")),
}
COLLECTIONS: Final = ("Favourite places", "For the calendar", "Küste & Meer")
_WHO: Final = ("a red fox", "two foxes", "a lighthouse", "an old tram", "ein Leuchtturm", "a whale")
_WHERE: Final = ("in the snow", "by the sea", "in a forest", "above the city", "in der Wüste")
_HOW: Final = ("at dawn", "under the stars", "in the rain", "painted in watercolour", "bei Nacht")
_BATCH: Final = 1_000
_PAUSE: Final = timedelta(seconds=25)
_JOB: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class _Drawn:
    """Files that stand for an item's."""

    ratio: str
    width: int
    height: int
    seconds: float | None
    original: Path
    preview: Path
    poster: Path


def fill(  # noqa: PLR0913  # what a library is
    store: Store,
    content: ContentStore,
    user_id: str,
    *,
    images: int,
    clips: int,
    large: bool = False,
) -> list[models.Asset]:
    """Give a user finished items, and return them, the oldest first.

    Args:
        store: the database, with its schema.
        content: where their files go.
        user_id: whose they are; the account is made where there is none.
        images: how many images.
        clips: how many clips.
        large: whether originals are of two megabytes and more, instead of some kilobytes.
    """
    store.users.ensure(user_id)
    jobs = max(1, -(-(images + clips) // ITEMS_A_JOB))
    chance = random.Random(7)  # the same library every time
    started = models.now() - jobs * _JOB
    rows: list[tuple[models.Job, list[models.Asset]]] = []
    for number in range(jobs):
        counts = {
            kind: total * (number + 1) // jobs - total * number // jobs
            for kind, total in ((models.Kind.IMAGE, images), (models.Kind.VIDEO, clips))
        }
        began = started + number * _JOB
        prompt = " ".join(map(chance.choice, (_WHO, _WHERE, _HOW)))
        job = models.Job(
            id=models.new_id(),
            user_id=user_id,
            prompt=f"{prompt}, no. {number + 1}",
            status=models.JobStatus.COMPLETED,
            generated_at=began + _JOB,
            created_at=began,
            updated_at=began + _JOB,
            requested=models.Requested(
                images=counts[models.Kind.IMAGE], videos=counts[models.Kind.VIDEO]
            ),
            options=models.Options(ratio="3:2", seconds=5, seed=number),
        )
        kinds = [kind for kind in models.Kind for _ in range(counts[kind])]
        slots = [kinds[:place].count(kind) + 1 for place, kind in enumerate(kinds)]
        assets = []
        for kind, slot in zip(kinds, slots, strict=True):
            drawn = chance.choice(_drawn(kind, large))
            assets.append(_asset(job, kind, slot, drawn, chance))
            for stored, file in zip(
                (assets[-1].path, assets[-1].preview, assets[-1].poster),
                (drawn.original, drawn.preview, drawn.poster),
                strict=True,
            ):
                _save(content, user_id, own_name(stored or ""), file)
        rows.append((job, assets))
    _store(store, rows)
    made = [asset for _, assets in rows for asset in assets]
    return sorted(made, key=lambda each: each.timings["saved_at"])


def _asset(
    job: models.Job, kind: models.Kind, slot: int, drawn: _Drawn, chance: random.Random
) -> models.Asset:
    """Return an item of a job."""
    provider, model = chance.choice(MODELS[kind])
    asset_id = f"{job.id}-{kind}-{slot}"
    folder = f"generated_content/{job.user_id}"
    saved_at = job.created_at + (2 * slot + (kind == models.Kind.VIDEO)) * _PAUSE
    return models.Asset(
        id=asset_id,
        job_id=job.id,
        user_id=job.user_id,
        kind=kind,
        slot=slot,
        provider=provider,
        model=model,
        params={
            "ratio": drawn.ratio,
            "width": drawn.width,
            "height": drawn.height,
            **({"seconds": 5, "fps": 24} if kind == models.Kind.VIDEO else {}),
            "seed": job.options.seed + slot,
        },
        state=models.AssetState.DONE,
        progress=1.0,
        path=f"{folder}/{asset_id}{drawn.original.suffix}",
        preview=f"{folder}/{PREVIEWS}/{asset_id}.webp",
        poster=f"{folder}/{PREVIEWS}/{asset_id}-poster.webp",
        width=drawn.width,
        height=drawn.height,
        seconds=drawn.seconds,
        bytes=drawn.original.stat().st_size,
        sha256="0" * 64,
        attempts=1,
        cost=models.Cost(actual=0.04, unit="USD")
        if provider != "illustrator"
        else models.Cost(actual=0.0),
        next_attempt_at=models.DUE_NOW,
        timings={
            "queued_at": job.created_at,
            "submitted_at": saved_at - timedelta(seconds=20),
            "started_at": saved_at - timedelta(seconds=19),
            "saved_at": saved_at,
        },
        favourite=chance.random() < 1 / 6,
        rating=chance.choice((0, 0, 0, 0, 3, 4, 5)),
        collections=tuple(name for name in COLLECTIONS if chance.random() < 1 / 12),
        words=job.prompt,
    )


def _save(content: ContentStore, user_id: str, name: str, source: Path) -> None:
    if isinstance(content, FolderStore):
        place = content.root / user_id / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, place)
        except OSError:  # another disk
            shutil.copyfile(source, place)
        return
    with content.draft(user_id, Path(name).stem) as draft:
        shutil.copyfile(source, draft.path)
        draft.commit(name)


def _store(store: Store, rows: list[tuple[models.Job, list[models.Asset]]]) -> None:
    database = store._database  # noqa: SLF001  # nothing of the product stores what is made already
    documents: dict[str, list[dict[str, Any]]] = {"jobs": [], "assets": []}
    for job, assets in rows:
        paths = {
            f"{kind}_paths": [each.path for each in assets if each.kind == kind]
            for kind in models.Kind
        }
        spent = sum(each.cost.spent for each in assets)
        cost = {"USD": round(spent, 6)} if spent else {}
        documents["jobs"].append(job.to_document() | paths | {"cost": cost})
        documents["assets"] += [each.to_document() for each in assets]
    for name, each in documents.items():
        for start in range(0, len(each), _BATCH):
            database[name].insert_many(each[start : start + _BATCH])


@cache
def _drawn(kind: models.Kind, large: bool) -> list[_Drawn]:  # noqa: FBT001  # a cache's key
    """Draw the files that stand for all; the same for the whole process."""
    folder = Path(mkdtemp(prefix="fivefold-seed-"))
    found = []
    for number, (ratio, size) in enumerate(list(SIZES.items()) * 2):
        width, height = (side * (LARGER if large else 2) // 2 for side in size)
        stem = folder / f"{number}"
        still = Image.fromarray(_scene(number, width, height, 0.0, IMAGE_GRAIN * large))
        if kind == models.Kind.IMAGE:
            original = stem.with_suffix(".png")
            original.write_bytes(encode_png(still))
        else:
            original = stem.with_suffix(".mp4")
            frames = _frames(number, width, height, CLIP_GRAIN * large)
            encode_clip(frames, original, width, height, FPS)
        preview, poster = stem.with_suffix(".webp"), folder / f"{number}-poster.webp"
        save_preview(still, preview)
        save_preview(still, poster, POSTER_PIXELS)
        seconds = 2.0 if kind == models.Kind.VIDEO else None
        found.append(_Drawn(ratio, width, height, seconds, original, preview, poster))
    return found


def _frames(number: int, width: int, height: int, grain: float) -> Iterator[NDArray[np.uint8]]:
    for frame in range(2 * FPS):
        yield _scene(number, width, height, frame / (2 * FPS), grain)


def _scene(number: int, width: int, height: int, moment: float, grain: float) -> NDArray[np.uint8]:
    """Return hills below a sky with a sun that moves; with grain, which no encoder gets smaller."""
    if grain:
        return _draw(number, width, height, moment, grain)
    small = _draw(number, width // COARSE, height // COARSE, moment, grain)
    return np.asarray(Image.fromarray(small).resize((width, height)), np.uint8)


def _draw(number: int, width: int, height: int, moment: float, grain: float) -> NDArray[np.uint8]:
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    hue = number / 8
    top, horizon = (np.array(colorsys.hsv_to_rgb((hue + d) % 1, 0.5, 0.95)) for d in (0, 0.12))
    picture = top + (horizon - top) * down[..., None]
    sun = np.hypot((across - 0.2 - 0.6 * moment) * width / height, down - 0.3) < 0.09
    picture[sun] = (1.0, 0.96, 0.85)
    for layer in range(3):
        ridge = 0.55 + 0.14 * layer + 0.05 * np.sin((3 + 2 * layer) * across * 2 + number + layer)
        shade = colorsys.hsv_to_rgb((hue + 0.5) % 1, 0.45, 0.6 - 0.17 * layer)
        picture[down > ridge] = shade
    if grain:
        noise = np.random.default_rng([number, int(1e6 * moment)]).normal(0, grain, picture.shape)
        picture = picture + noise
    pixels: NDArray[np.uint8] = (picture.clip(0, 1) * 255).astype(np.uint8)
    return pixels


def main() -> None:
    """Fill the library of a user of the Fivefold that the environment names."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--user", default="ana")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--clips", type=int, default=25)
    parser.add_argument("--large", action="store_true", help="originals of two megabytes and more")
    typed = parser.parse_args()
    settings = load_settings()
    with open_store(settings) as store:
        content = open_content(settings.content_url)
        made = fill(
            store, content, typed.user, images=typed.images, clips=typed.clips, large=typed.large
        )
    print(f"{typed.user} has {len(made)} more items.")  # noqa: T201  # a command


if __name__ == "__main__":
    main()
