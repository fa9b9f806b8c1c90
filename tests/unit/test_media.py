from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.media.encoding import encode_clip, encode_png
from core.media.inspection import BrokenMedia, Inspection, inspect
from core.media.previews import save_preview
from core.models import Kind


def clip(path: Path, frames: int = 24) -> Path:
    shades = np.linspace(0, 255, frames, dtype=np.uint8)
    encode_clip((np.full((64, 96, 3), s, np.uint8) for s in shades), path, 96, 64, 24)
    return path


def looked_over(path: Path, kind: Kind, seconds: float | None = None) -> Inspection:
    return inspect(path, kind, width=96, height=64, seconds=seconds)


def test_a_clip_is_read_back_with_its_size_and_length(tmp_path: Path) -> None:
    found = looked_over(clip(tmp_path / "a.mp4"), Kind.VIDEO, 1.0)
    assert (found.extension, found.width, found.height, found.seconds) == ("mp4", 96, 64, 1.0)
    assert found.bytes == (tmp_path / "a.mp4").stat().st_size
    assert len(found.sha256) == 64


def test_a_clip_starts_at_once_its_index_is_in_front(tmp_path: Path) -> None:
    content = clip(tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_colours_survive_the_encoder(tmp_path: Path) -> None:
    red = np.full((64, 96, 3), (200, 40, 30), np.uint8)
    encode_clip([red] * 24, tmp_path / "red.mp4", 96, 64, 24)
    still = np.asarray(looked_over(tmp_path / "red.mp4", Kind.VIDEO, 1).still, np.int16)
    assert np.abs(still - red).max() <= 6


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_clip_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    content = clip(tmp_path / "a.mp4", 48).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BrokenMedia):
        looked_over(tmp_path / "cut.mp4", Kind.VIDEO, 2)


def test_a_clip_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenMedia, match=r"1\.0 s instead of 5 s"):
        looked_over(clip(tmp_path / "a.mp4"), Kind.VIDEO, 5)


@pytest.mark.parametrize(("form", "extension"), [("PNG", "png"), ("JPEG", "jpg")])
def test_an_image_is_named_for_what_it_is(tmp_path: Path, form: str, extension: str) -> None:
    Image.new("RGB", (96, 64), "teal").save(tmp_path / "x", form)
    assert looked_over(tmp_path / "x", Kind.IMAGE).extension == extension


@pytest.mark.parametrize("content", [b"", b"<html>502</html>", b"\x89PNG\r\n\x1a\n" + b"0" * 40])
@pytest.mark.parametrize("kind", list(Kind))
def test_a_file_that_is_not_what_was_promised_is_refused(
    tmp_path: Path, content: bytes, kind: Kind
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BrokenMedia, match=r"\.$"):
        looked_over(tmp_path / "x", kind)


def test_an_image_cut_off_or_of_another_size_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    whole = encode_png(Image.fromarray(noise))
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenMedia):
        looked_over(tmp_path / "cut.png", Kind.IMAGE)
    (tmp_path / "whole.png").write_bytes(whole)
    with pytest.raises(BrokenMedia, match="96 × 64 pixels instead of 32 × 32"):
        inspect(tmp_path / "whole.png", Kind.IMAGE, width=32, height=32, seconds=None)


def test_a_preview_is_small_webp(tmp_path: Path) -> None:
    save_preview(Image.new("RGB", (1280, 720), "teal"), tmp_path / "p.webp")
    with Image.open(tmp_path / "p.webp") as preview:
        assert (preview.format, preview.size) == ("WEBP", (480, 270))
