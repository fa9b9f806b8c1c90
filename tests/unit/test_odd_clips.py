"""Clips that are not what we would have made: kept as they are, with a copy that plays."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core.media.display_copies import make_copy
from core.media.inspection import BrokenMedia, inspect
from core.models import Kind
from core.providers.illustrator.enlarge import enlarge_clip
from tests import odd_media
from tests.odd_media import BLUE, RED

PLAYED: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("a.mp4", {}),
    "with AAC": ("a.mp4", {"sound": "aac"}),
    "with its index at the end and in pieces": (
        "a.mp4",
        {"options": {"movflags": "frag_keyframe+empty_moov"}},
    ),
    "turned": ("a.mp4", {"turned": 90}),
    "at uneven times": ("a.mp4", {"times": [0, 0.1, 0.5, 0.6, 1.5, 2]}),
}
COPIED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mp4v, as OpenCV writes": ("a.mp4", "mp4", {"codec": "mpeg4"}),
    "HEVC": ("a.mp4", "mp4", {"codec": "libx265"}),
    "HEVC with 10 bits": ("a.mp4", "mp4", {"codec": "libx265", "pixels": "yuv420p10le"}),
    "H.264 with 10 bits": ("a.mp4", "mp4", {"pixels": "yuv420p10le"}),
    "H.264 4:4:4 of odd size": ("a.mp4", "mp4", {"pixels": "yuv444p", "size": (127, 71)}),
    "AV1": ("a.mp4", "mp4", {"codec": "libsvtav1"}),
    "VP9 in MP4": ("a.mp4", "mp4", {"codec": "libvpx-vp9"}),
    "VP9 with Opus": ("a.webm", "webm", {"codec": "libvpx-vp9", "sound": "libopus"}),
    "VP9 without a length": ("a.webm", "webm", {"codec": "libvpx-vp9", "options": {"live": "1"}}),
    "VP8": ("a.webm", "webm", {"codec": "libvpx"}),
    "ProRes with PCM": (
        "a.mov",
        "mov",
        {"codec": "prores_ks", "pixels": "yuv422p10le", "sound": "pcm_s16le"},
    ),
    "H.264 in Matroska": ("a.mkv", "mkv", {"sound": "aac"}),
    "H.264 in MPEG-TS": ("a.ts", "ts", {"sound": "aac"}),
    "H.264 as it is": ("a.h264", "h264", {}),
    "MPEG-4 and MP3 in AVI": ("a.avi", "avi", {"codec": "mpeg4", "sound": "mp3"}),
    "Opus in MP4": ("a.mp4", "mp4", {"sound": "libopus"}),
    "pixels that are not square": ("a.mp4", "mp4", {"aspect": Fraction(4, 3)}),
}


def colours_of(picture: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the colours a quarter from the left and from the right."""
    pixels = np.asarray(picture, np.int16)
    row = pixels.shape[0] // 2
    quarter = pixels.shape[1] // 4
    return tuple(pixels[row, quarter]), tuple(pixels[row, -quarter])


def near(colour: tuple[int, ...], other: tuple[int, ...], by: int = 30) -> bool:
    return all(abs(int(one) - int(two)) <= by for one, two in zip(colour, other, strict=True))


@pytest.mark.parametrize("what", list(PLAYED))
def test_what_browsers_play_is_displayed_as_it_is(tmp_path: Path, what: str) -> None:
    name, made = PLAYED[what]
    found = inspect(odd_media.clip(tmp_path / name, **made), Kind.VIDEO)
    assert (found.extension, found.displayable) == ("mp4", True)
    assert found.seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("what", list(COPIED))
def test_what_browsers_do_not_play_gets_a_copy_that_they_do(tmp_path: Path, what: str) -> None:
    name, extension, made = COPIED[what]
    path = odd_media.clip(tmp_path / name, **made)
    content = path.read_bytes()
    found = inspect(path, Kind.VIDEO)
    assert (found.extension, found.displayable) == (extension, False)
    assert found.seconds == pytest.approx(2, abs=0.1)
    copy = tmp_path / "copy"
    assert make_copy(path, Kind.VIDEO, copy) == "mp4"
    assert path.read_bytes() == content
    shown = inspect(copy, Kind.VIDEO)
    assert (shown.extension, shown.displayable) == ("mp4", True)
    assert shown.seconds == pytest.approx(found.seconds, abs=0.05)
    assert abs(shown.width - found.width) <= 1
    assert abs(shown.height - found.height) <= 1
    for picture in (found.still, shown.still):
        left, right = colours_of(picture)
        assert near(left, RED)
        assert near(right, BLUE)
    with av.open(str(copy)) as container:
        durations = [
            float((each.duration or 0) * (each.time_base or 0)) for each in container.streams.audio
        ]
    assert len(durations) == ("sound" in made)
    assert all(length == pytest.approx(2, abs=0.1) for length in durations)
    assert 0 < copy.read_bytes().index(b"moov") < copy.read_bytes().index(b"mdat")


def test_a_clip_is_as_long_as_it_is_shown_not_as_its_samples_are_many(tmp_path: Path) -> None:
    content = odd_media.clip(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "edited.mp4"
    path.write_bytes(odd_media.with_edit_list(content, 1.5))
    found = inspect(path, Kind.VIDEO)
    assert (found.extension, found.displayable) == ("mp4", False)
    assert found.seconds == pytest.approx(1.5, abs=0.1)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 48
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    shown = inspect(tmp_path / "copy", Kind.VIDEO)
    assert shown.displayable
    assert shown.seconds == pytest.approx(found.seconds, abs=0.05)


@pytest.mark.parametrize(("degrees", "top"), [(90, BLUE), (-90, RED), (180, None)])
def test_a_turned_clip_is_measured_and_pictured_as_it_is_shown(
    tmp_path: Path, degrees: int, top: tuple[int, int, int] | None
) -> None:
    for codec in ("libx264", "libx265"):
        path = odd_media.clip(tmp_path / f"{codec}.mp4", codec, turned=degrees)
        found = inspect(path, Kind.VIDEO)
        if top is None:
            assert (found.width, found.height) == (128, 72)
            assert near(colours_of(found.still)[0], BLUE)
            continue
        assert (found.width, found.height) == (72, 128)
        assert near(tuple(np.asarray(found.still)[32, 36]), top)
        if not found.displayable:
            make_copy(path, Kind.VIDEO, tmp_path / "copy")
            shown = inspect(tmp_path / "copy", Kind.VIDEO)
            assert (shown.width, shown.height) == (72, 128)
            assert near(tuple(np.asarray(shown.still)[32, 36]), top)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "prores_ks", "yuva444p10le")],
)
def test_what_is_transparent_in_a_clip_is_never_shown(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    path = odd_media.clip(tmp_path / name, codec, pixels, alpha=0)
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    left, right = colours_of(inspect(tmp_path / "copy", Kind.VIDEO).still)
    assert min(left) > 190
    assert min(right) > 190


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_mapped_to_what_every_screen_shows(tmp_path: Path, transfer: int) -> None:
    path = odd_media.clip(tmp_path / "a.mp4", "libx265", "yuv420p10le", colours=(9, transfer, 9))
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    with av.open(str(tmp_path / "copy")) as container:
        frame = next(container.decode(video=0))
        assert int(frame.color_trc) == int(frame.color_primaries) == int(frame.colorspace) == 1
    left, right = colours_of(inspect(tmp_path / "copy", Kind.VIDEO).still)
    assert left[0] > left[1] + 60
    assert right[2] > right[1] + 60


def test_times_between_frames_stay_as_they_are(tmp_path: Path) -> None:
    times = [0, 0.1, 0.5, 0.6, 1.5, 1.9]
    path = odd_media.clip(tmp_path / "a.mkv", times=times)
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    with av.open(str(tmp_path / "copy")) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert shown == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animated_image_will_do_as_a_clip(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(odd_media.animation(form))
    found = inspect(path, Kind.VIDEO)
    assert (found.extension, found.displayable) == (form.lower(), False)
    assert found.seconds == pytest.approx(0.6)
    assert make_copy(path, Kind.VIDEO, tmp_path / "copy") == "mp4"
    shown = inspect(tmp_path / "copy", Kind.VIDEO)
    assert (shown.displayable, shown.width, shown.height) == (True, 96, 64)
    assert shown.seconds == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9", "mpeg4"])
def test_one_frame_is_a_clip(tmp_path: Path, codec: str) -> None:
    path = odd_media.clip(tmp_path / "a.mp4", codec, times=[0])
    found = inspect(path, Kind.VIDEO)
    assert found.seconds == pytest.approx(1 / 24, abs=0.001)
    if not found.displayable:
        make_copy(path, Kind.VIDEO, tmp_path / "copy")
        assert inspect(tmp_path / "copy", Kind.VIDEO).displayable


def test_rubbish_before_a_clip_is_kept_and_the_copy_plays(tmp_path: Path) -> None:
    content = b"\r\n--boundary\r\n" + odd_media.clip(tmp_path / "a.mp4").read_bytes()
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    found = inspect(path, Kind.VIDEO)
    assert (found.extension, found.displayable, found.bytes) == ("mp4", False, len(content))
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    assert inspect(tmp_path / "copy", Kind.VIDEO).displayable


@pytest.mark.parametrize("what", ["behind", "in the middle"])
def test_rubbish_in_a_clip_does_not_lose_the_rest(tmp_path: Path, what: str) -> None:
    path = odd_media.clip(tmp_path / "a.ts", form="mpegts")
    content = bytearray(path.read_bytes())
    if what == "behind":
        content += b"<html>thanks</html>" * 20
    else:
        middle = len(content) // 2
        content[middle : middle + 40] = b"?" * 40
    path.write_bytes(bytes(content))
    inspect(path, Kind.VIDEO)
    make_copy(path, Kind.VIDEO, tmp_path / "copy")
    assert inspect(tmp_path / "copy", Kind.VIDEO).displayable


def test_a_length_that_lies_is_not_believed(tmp_path: Path) -> None:
    content = bytearray(odd_media.clip(tmp_path / "a.mp4").read_bytes())
    for name, at in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        place = content.index(name) + at
        content[place : place + 4] = (2**31 - 1).to_bytes(4)
    (tmp_path / "lies.mp4").write_bytes(content)
    found = inspect(tmp_path / "lies.mp4", Kind.VIDEO)
    assert found.seconds == pytest.approx(2, abs=0.1)


def test_words_beside_the_pictures_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    plain = odd_media.clip(tmp_path / "plain.mp4")
    with av.open(str(plain)) as source, av.open(str(path), "w") as container:
        pictures: Any = source.streams.video[0]
        stream: Any = container.add_stream_from_template(pictures)
        words: Any = container.add_stream("mov_text")
        words.codec_context.subtitle_header = b""
        for packet in source.demux(pictures):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    found = inspect(path, Kind.VIDEO)
    assert found.displayable
    assert found.seconds == pytest.approx(2)


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        voice: Any = container.add_stream("aac", rate=48_000, layout="stereo")
        odd_media.speak(container, voice)
    with pytest.raises(BrokenMedia, match="does not open as a video"):
        inspect(path, Kind.VIDEO)


def test_a_clip_of_no_frames_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    with pytest.raises(BrokenMedia, match="does not open as a video"):
        inspect(path, Kind.VIDEO)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_still_is_no_clip(tmp_path: Path, form: str) -> None:
    from PIL import Image  # noqa: PLC0415

    Image.new("RGB", (64, 64), "teal").save(tmp_path / "a", form)
    with pytest.raises(BrokenMedia, match="does not open as a video"):
        inspect(tmp_path / "a", Kind.VIDEO)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mp4", "libx265")]
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_clip_that_is_cut_off_is_refused_whatever_it_is(
    tmp_path: Path, name: str, codec: str, share: float
) -> None:
    path = odd_media.clip(tmp_path / name, codec)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BrokenMedia):
        inspect(path, Kind.VIDEO)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.mp4", "libx265")]
)
@pytest.mark.parametrize("missing", [1, 10])
def test_a_clip_that_lacks_a_little_at_its_end_is_kept_beside_a_copy(
    tmp_path: Path, name: str, codec: str, missing: int
) -> None:
    path = odd_media.clip(tmp_path / name, codec)
    path.write_bytes(path.read_bytes()[:-missing])
    found = inspect(path, Kind.VIDEO)
    assert not found.displayable
    assert make_copy(path, Kind.VIDEO, tmp_path / "copy") == "mp4"


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL></MPD>',
    ],
)
def test_a_file_that_names_others_opens_none_of_them(tmp_path: Path, content: str) -> None:
    odd_media.clip(tmp_path / "secret.mp4")
    path = tmp_path / "list"
    url = f"file://{tmp_path}/secret.mp4"
    path.write_text(content.format(url=url, path=tmp_path / "secret.mp4"))
    with pytest.raises(BrokenMedia, match="does not open as a video"):
        inspect(path, Kind.VIDEO)


def test_more_pixels_than_can_be_read_are_refused_before_decoding(tmp_path: Path) -> None:
    path = odd_media.clip(tmp_path / "a.webm", "libvpx-vp9", size=(16_400, 16), times=[0])
    with pytest.raises(BrokenMedia, match="16400 × 16 pixels, more than can be read"):
        inspect(path, Kind.VIDEO)


def test_a_turned_clip_is_enlarged_upright(tmp_path: Path) -> None:
    path = odd_media.clip(tmp_path / "a.mp4", sound="aac", turned=90)
    enlarge_clip(path, tmp_path / "large.mp4", 144, 256, lambda _: None)
    found = inspect(tmp_path / "large.mp4", Kind.VIDEO)
    assert (found.width, found.height, found.displayable) == (144, 256, True)
    assert near(tuple(np.asarray(found.still)[64, 72]), BLUE)
