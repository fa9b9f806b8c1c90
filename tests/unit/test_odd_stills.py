"""Images that are not what we would have made: kept as they are, shown as they look."""

import asyncio
import io
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image, ImageCms

from core.media import bounded_process as bounded_module
from core.media.bounded_process import OutOfBounds, bounded
from core.media.display_copies import make_copy
from core.media.inspection import BrokenMedia, inspect, inspect_bounded
from core.media.previews import preview_of
from core.models import Kind
from core.providers.illustrator.provider import _picture
from tests import odd_media
from tests.odd_media import BLUE, MAGENTA, RED, chunk, saved

SIDES = Image.new("RGB", (96, 64), RED)
SIDES.paste(BLUE, (48, 0, 96, 64))

HIDDEN = Image.new("RGBA", (96, 64), (*MAGENTA, 0))
HIDDEN.paste((0, 128, 0, 255), (0, 0, 48, 64))
"""Green on the left; on the right magenta that nobody is to see."""


def shown(preview: bytes) -> Image.Image:
    return Image.open(io.BytesIO(preview))


def kept(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("form", "extension", "copy"),
    [
        ("PNG", "png", None),
        ("JPEG", "jpg", None),
        ("WEBP", "webp", "jpg"),
        ("GIF", "gif", "png"),
        ("AVIF", "avif", "jpg"),
        ("TIFF", "tiff", "png"),
        ("BMP", "bmp", "png"),
        ("JPEG2000", "jp2", "jpg"),
        ("QOI", "qoi", "png"),
        ("PPM", "ppm", "png"),
    ],
)
def test_whatever_decodes_is_named_for_what_it_is_and_shown_as_png_or_jpeg(
    tmp_path: Path, form: str, extension: str, copy: str | None
) -> None:
    content = saved(SIDES, form)
    path = kept(tmp_path, content)
    found = inspect(path, Kind.IMAGE)
    assert (found.extension, found.width, found.height) == (extension, 96, 64)
    assert found.displayable == (copy is None)
    if copy:
        assert make_copy(path, Kind.IMAGE, tmp_path / "copy") == copy
        with Image.open(tmp_path / "copy") as display:
            assert (display.format, display.size) == ({"png": "PNG", "jpg": "JPEG"}[copy], (96, 64))
            assert_sides(display)
    assert_sides(shown(found.preview))
    assert path.read_bytes() == content


def assert_sides(image: Image.Image, by: int = 24) -> None:
    pixels = np.asarray(image.convert("RGB"), np.int16)
    assert np.abs(pixels[32, 20] - RED).max() <= by
    assert np.abs(pixels[32, 76] - BLUE).max() <= by


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_data_say(tmp_path: Path, orientation: int) -> None:
    upright = SIDES.resize((96, 60))
    turned = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for form in ("JPEG", "WEBP", "PNG"):
        image = upright if turned is None else upright.transpose(turned)
        path = kept(tmp_path, saved(image, form, exif=exif))
        found = inspect(path, Kind.IMAGE)
        assert (found.width, found.height) == (96, 60)
        assert shown(found.preview).size == (96, 60)
        assert_sides(shown(found.preview))
        if form == "WEBP":
            make_copy(path, Kind.IMAGE, tmp_path / "copy")
            with Image.open(tmp_path / "copy") as display:
                assert display.size == (96, 60)
                assert_sides(display)


@pytest.mark.parametrize(
    ("form", "kind"),
    [("PNG", "uint16"), ("TIFF", "uint16"), ("TIFF", "int32"), ("TIFF", "float32")],
)
def test_greys_of_more_than_eight_bits_are_scaled(tmp_path: Path, form: str, kind: str) -> None:
    most = 1.0 if kind == "float32" else 65535
    ramp = np.tile(np.linspace(0, most, 256), (64, 1)).astype(kind)
    found = inspect(kept(tmp_path, saved(Image.fromarray(ramp), form)), Kind.IMAGE)
    greys = np.asarray(shown(found.preview).convert("L"), np.int16)[32]
    assert np.abs(greys - np.arange(256)).max() <= 8


def test_colours_of_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    row = np.zeros((64, 96, 3), ">u2")
    row[:, :48] = np.array(RED) * 257
    row[:, 48:] = np.array(BLUE) * 257
    packed = b"".join(b"\0" + line.tobytes() for line in row)
    header = (96).to_bytes(4) + (64).to_bytes(4) + bytes((16, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += chunk(b"IDAT", zlib.compress(packed)) + chunk(b"IEND", b"")
    assert_sides(shown(inspect(kept(tmp_path, content), Kind.IMAGE).preview))


def palette_with_hole() -> bytes:
    image = Image.new("P", (96, 64), 1)
    image.putpalette([0, 128, 0, *MAGENTA])
    image.paste(0, (0, 0, 48, 64))
    return saved(image, "PNG", transparency=1)


def greys_with_hole(mode: str) -> bytes:
    if mode == "I;16":
        values = np.full((64, 96), 40_000, np.uint16)
        values[:, :48] = 0
        return saved(Image.fromarray(values), "PNG", transparency=40_000)
    image = Image.new("LA", (96, 64), (200, 0))
    image.paste((0, 255), (0, 0, 48, 64))
    return saved(image, "PNG")


@pytest.mark.parametrize(
    "content",
    [
        saved(HIDDEN, "PNG"),
        saved(HIDDEN, "WEBP", exact=True, lossless=True),
        saved(HIDDEN, "TIFF"),
        saved(HIDDEN.resize((1920, 1280), Image.Resampling.NEAREST), "PNG"),
        palette_with_hole(),
        greys_with_hole("LA"),
        greys_with_hole("I;16"),
    ],
)
def test_what_is_transparent_stays_so_and_hides_nothing(tmp_path: Path, content: bytes) -> None:
    path = kept(tmp_path, content)
    found = inspect(path, Kind.IMAGE)
    previews = [shown(found.preview), shown(preview_of(content))]
    if not found.displayable:
        assert make_copy(path, Kind.IMAGE, tmp_path / "copy") == "png"
        previews.append(Image.open(tmp_path / "copy"))
    for preview in previews:
        assert preview.mode == "RGBA"
        pixels = np.asarray(preview, np.int16)
        quarter = preview.width // 4
        assert tuple(pixels[preview.height // 2, quarter])[3] == 255
        assert pixels[preview.height // 2, -quarter][3] == 0
        bare = pixels[:, -quarter:][..., :3]
        assert not np.all(np.abs(bare - MAGENTA) < 60, axis=-1).any()


def test_what_is_hidden_is_not_filmed_either() -> None:
    pixels = _picture(saved(HIDDEN, "PNG"))
    assert tuple(pixels[32, 20]) == (0, 128, 0)
    assert tuple(pixels[32, 76]) == (255, 255, 255)


def test_print_colours_become_those_of_screens(tmp_path: Path) -> None:
    found = inspect(kept(tmp_path, saved(SIDES.convert("CMYK"), "JPEG")), Kind.IMAGE)
    assert_sides(shown(found.preview), by=40)


def test_a_colour_profile_is_minded(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image = ImageCms.profileToProfile(SIDES, srgb, lab, outputMode="LAB")
    assert image is not None
    path = kept(tmp_path, saved(image, "TIFF", icc_profile=lab.tobytes()))
    assert_sides(shown(inspect(path, Kind.IMAGE).preview))
    broken = kept(tmp_path, saved(SIDES, "PNG", icc_profile=b"no profile at all"))
    assert_sides(shown(inspect(broken, Kind.IMAGE).preview))


@pytest.mark.parametrize(("form", "copy"), [("GIF", "png"), ("WEBP", "png"), ("PNG", None)])
def test_what_moves_goes_on_moving(tmp_path: Path, form: str, copy: str | None) -> None:
    path = kept(tmp_path, odd_media.animation(form))
    found = inspect(path, Kind.IMAGE)
    assert (found.extension, found.displayable) == (form.lower(), copy is None)
    preview: Any = shown(found.preview)
    assert (preview.n_frames, preview.size) == (6, (96, 64))
    if copy:
        assert make_copy(path, Kind.IMAGE, tmp_path / "copy") == copy
        with Image.open(tmp_path / "copy") as display:
            assert (display.format, getattr(display, "n_frames", 1)) == ("PNG", 6)


def test_an_animation_too_large_for_a_copy_is_shown_itself(tmp_path: Path) -> None:
    path = kept(tmp_path, odd_media.animation("GIF", 80, (1024, 1024)))
    assert inspect(path, Kind.IMAGE).extension == "gif"
    assert make_copy(path, Kind.IMAGE, tmp_path / "copy") is None


def test_endless_animations_are_read_as_far_as_they_are_worth_it(tmp_path: Path) -> None:
    path = kept(tmp_path, odd_media.animation("GIF", 2000, (16, 16)))
    preview: Any = shown(inspect(path, Kind.IMAGE).preview)
    assert 1 < preview.n_frames <= 48


@pytest.mark.parametrize("size", [(1, 10_000), (10_000, 1), (1, 1)])
def test_any_shape_has_a_preview(tmp_path: Path, size: tuple[int, int]) -> None:
    found = inspect(kept(tmp_path, saved(Image.new("RGB", size, RED), "PNG")), Kind.IMAGE)
    assert (found.width, found.height) == size
    assert max(shown(found.preview).size) <= 480


@cache
def zip_bomb() -> bytes:
    return zlib.compress(b"a" * 300_000_000, 1)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP", b"iTXt"])
def test_words_that_unpack_to_far_too_much_do_not_lose_the_image(
    tmp_path: Path, name: bytes
) -> None:
    content = (b"Comment\0\1\0\0\0" if name == b"iTXt" else b"Comment\0\0") + zip_bomb()
    path = kept(tmp_path, odd_media.bomb(64, chunk(name, content)))
    found = inspect(path, Kind.IMAGE)
    assert (found.extension, found.width) == ("png", 64)


def test_an_image_that_is_something_else_too_is_kept_as_an_image(tmp_path: Path) -> None:
    content = saved(SIDES, "PNG") + b"PK\3\4<html><script>alert(1)</script></html>"
    found = inspect(kept(tmp_path, content), Kind.IMAGE)
    assert (found.extension, found.bytes) == ("png", len(content))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
def test_an_image_that_is_cut_off_is_refused(tmp_path: Path, form: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    content = saved(Image.fromarray(noise), form)
    path = kept(tmp_path, content[: len(content) // 2])
    with pytest.raises(BrokenMedia, match="does not open as an image"):
        inspect(path, Kind.IMAGE)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("missing", [1, 2, 13, 60])
def test_an_image_that_lacks_a_little_at_its_end_is_kept(
    tmp_path: Path, form: str, missing: int
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (640, 96, 3), np.uint8)
    content = saved(Image.fromarray(noise), form)[:-missing]
    found = inspect(kept(tmp_path, content), Kind.IMAGE)
    assert (found.width, found.height, found.displayable) == (96, 640, True)


def test_a_text_whose_checksum_is_wrong_does_not_lose_the_image(tmp_path: Path) -> None:
    content = bytearray(odd_media.bomb(64, chunk(b"tEXt", b"parameters\0a fox")))
    content[content.index(b"a fox")] ^= 1
    assert inspect(kept(tmp_path, bytes(content)), Kind.IMAGE).width == 64


def test_a_turned_tiff_has_the_size_that_it_is_shown_in(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    found = inspect(kept(tmp_path, saved(SIDES, "TIFF", exif=exif)), Kind.IMAGE)
    assert (found.width, found.height) == (64, 96)


def test_a_document_is_no_image(tmp_path: Path) -> None:
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) print\n%%EOF\n"
    for content in (script, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n"):
        with pytest.raises(BrokenMedia):
            inspect(kept(tmp_path, content), Kind.IMAGE)


# ── Bounds ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def watched() -> Iterator[list[int]]:
    """Note the most memory that this process and its children had, in bytes, beyond the start."""
    most = [0]
    over = threading.Event()
    before = _memory()

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], _memory() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def _memory() -> int:
    total = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def test_images_of_far_too_many_pixels_take_no_memory_and_say_so(tmp_path: Path) -> None:
    path = kept(tmp_path, odd_media.bomb(13_000))

    async def main() -> list[Any]:
        calls = [inspect_bounded(path, Kind.IMAGE, None, None, None) for _ in range(5)]
        return await asyncio.gather(*calls, return_exceptions=True)

    with watched() as most:
        found = asyncio.run(main())
    assert [str(each) for each in found] == [
        "The file that came has 13000 × 13000 pixels, more than can be read."
    ] * 5
    assert all(isinstance(each, BrokenMedia) for each in found)
    assert 0 < most[0] < 300 * 2**20


def _greedy() -> int:
    return len(bytearray(bounded_module.MEMORY_BYTES + 1))


def _endless() -> None:
    threading.Event().wait()


def _dies() -> None:
    os.abort()


@pytest.mark.parametrize(("call", "seconds"), [(_greedy, 60.0), (_endless, 0.5), (_dies, 60.0)])
def test_what_takes_too_much_or_dies_ends_alone(call: Any, seconds: float) -> None:
    with pytest.raises(OutOfBounds):
        asyncio.run(bounded(call, seconds=seconds))
    assert asyncio.run(bounded(abs, -1, seconds=60.0)) == 1


def _dies_once(mark: Path) -> int:
    if mark.exists():
        return 1
    mark.touch()
    os.abort()


def test_a_process_that_is_ended_from_outside_does_not_lose_the_file(tmp_path: Path) -> None:
    assert asyncio.run(bounded(_dies_once, tmp_path / "mark", seconds=60.0)) == 1


def test_a_result_that_comes_when_its_call_was_cancelled_is_none() -> None:
    for tell, result in (("set_result", 1), ("set_exception", ValueError())):
        future = bounded_module._cancellable(Future[int]())  # noqa: SLF001
        assert future.cancel()
        getattr(future, tell)(result)
        assert future.cancelled()
    future = bounded_module._cancellable(Future[int]())  # noqa: SLF001
    future.set_result(1)
    assert future.result() == 1


def test_a_file_that_kills_its_reader_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.media.inspection.inspect", _killed)
    with pytest.raises(BrokenMedia, match="more memory or time"):
        asyncio.run(inspect_bounded(tmp_path, Kind.IMAGE, None, None, None))


def _killed(*_args: object, **_sizes: object) -> None:
    os.abort()


def test_no_process_is_left_when_the_worker_is_killed() -> None:
    code = (
        "import asyncio, time; from core.media.bounded_process import bounded; "
        "asyncio.run(bounded(time.sleep, 600, seconds=600))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as worker:
        found: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while not any(_sleeps(each) for each in found):
            assert time.monotonic() < deadline
            found = psutil.Process(worker.pid).children(recursive=True)
        worker.kill()
        worker.wait()
    gone, alive = psutil.wait_procs(found, timeout=120)
    assert len(gone) >= 2
    assert not alive


def _sleeps(process: psutil.Process) -> bool:
    """Whether a process is one that a call runs in: a child of the server that forks them."""
    try:
        parent = process.parent()
        return parent is not None and "forkserver" in " ".join(parent.cmdline())
    except psutil.Error:
        return False
