"""Video files that the tests encode themselves, whole, odd and broken, and folders of frames."""

import collections
import struct
import wave
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reid_jax.data.photos.images import read_image
from reid_jax.data.videos.file import VideoFile
from reid_jax.data.videos.frames import indices_at_rate, is_steady, uniform_indices
from reid_jax.data.videos.open import find_videos, is_film, open_video
from reid_jax.data.videos.picture_folder import PictureFolder
from reid_jax.data.videos.time_stamps import in_order
from reid_jax.errors import UserError

av = pytest.importorskip("av")

SIDE = 64


def grey(index: int) -> int:
    """Frames are told apart by their brightness, which survives the coding."""
    return 20 + 5 * (index % 43)


def encode(
    path: Path,
    number: int,
    *,
    codec: str = "libx264",
    rate: int = 30,
    times: list[int] | None = None,
    turned: int = 0,
    options: dict[str, str] | None = None,
    pixels: np.ndarray | None = None,
) -> Path:
    """Frames of one brightness each; the upper left quarter is white in all. Or all `pixels`."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 2 * SIDE, SIDE, "yuv420p"
        stream.gop_size, stream.bit_rate = 12, 4_000_000
        stream.codec_context.max_b_frames = 2
        if turned:
            stream.set_display_rotation(turned)
        for i in range(number):
            drawn = np.full((SIDE, 2 * SIDE, 3), grey(i), np.uint8)
            drawn[: SIDE // 2, :SIDE] = 255
            frame = av.VideoFrame.from_ndarray(drawn if pixels is None else pixels, "rgb24")
            frame.pts = i if times is None else times[i]
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def brightness(frame) -> float:
    return float(frame.draw((SIDE, SIDE))[-8:, -8:].mean())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def mp4(folder) -> Path:
    return encode(folder / "a.mp4", 40)


KINDS = [
    ("k.mp4", "libx264"),
    ("k.mov", "mpeg4"),
    ("k.mkv", "libx264"),
    ("k.webm", "libvpx-vp9"),
    ("k.avi", "mpeg4"),
    ("k.ts", "libx264"),
    ("k.h264", "libx264"),  # no time stamps at all
]


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_every_container_gives_every_frame_and_any_frame(name, codec, folder):
    video = VideoFile(encode(folder / name, 40, codec=codec))
    assert len(video.times) == 40
    np.testing.assert_allclose(video.times, np.arange(40) / 30, atol=1e-3)
    whole = list(video.frames())
    assert [frame.index for frame in whole] == list(range(40))
    assert [abs(brightness(f) - grey(f.index)) < 3 for f in whole] == [True] * 40
    assert video.problem == ""
    for indices in ([0], [39], [13], [1, 2, 30], [11, 12, 13, 36], range(0, 40, 7)):
        some = list(video.frames_at(list(indices)))
        assert [frame.index for frame in some] == list(indices)
        assert [f.time for f in some] == [video.times[i] for i in indices]
        for frame in some:
            assert abs(brightness(frame) - grey(frame.index)) < 3
    with pytest.raises(IndexError):
        list(video.frames_at([40]))


def test_frames_are_drawn_at_the_size_asked_for(mp4):
    frame = next(VideoFile(mp4).frames())
    assert frame.draw(None).shape == (SIDE, 2 * SIDE, 3)
    assert frame.draw((48, 27)).shape == (27, 48, 3)
    assert frame.draw((48, 27)).dtype == np.uint8


# By matrix (a, b, c, d): what becomes of the picture, in NumPy's words.
MATRICES = {
    (1, 0, 0, 1): lambda x: x,
    (-1, 0, 0, 1): lambda x: x[:, ::-1],
    (-1, 0, 0, -1): lambda x: np.rot90(x, 2),
    (1, 0, 0, -1): lambda x: x[::-1],
    (0, 1, 1, 0): lambda x: x.transpose(1, 0, 2),
    (0, 1, -1, 0): lambda x: np.rot90(x, -1),
    (0, -1, -1, 0): lambda x: np.rot90(x, 2).transpose(1, 0, 2),
    (0, -1, 1, 0): lambda x: np.rot90(x, 1),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_eight_orientations_come_out_upright(matrix, folder, mp4):
    """The matrix in an mp4's track header, and the picture as it is stored, turned by NumPy."""
    stored = next(VideoFile(mp4).frames()).draw(None)
    stored = np.where(np.arange(2 * SIDE)[:, None] < 48, stored, 0)  # no symmetry is left
    film = encode(folder / "upright.mp4", 1, pixels=stored)
    content = bytearray(film.read_bytes())
    place = content.find(b"tkhd") + 4 + 40
    a, b, c, d = (65536 * value for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    film.write_bytes(content)
    frame = next(VideoFile(film).frames())
    expected = MATRICES[matrix](stored)
    assert np.abs(frame.draw(None).astype(float) - expected).mean() < 3
    width, height = expected.shape[1] // 2, expected.shape[0] // 2
    small = np.asarray(Image.fromarray(expected).resize((width, height), Image.BILINEAR), float)
    assert np.abs(frame.draw((width, height)) - small).mean() < 3
    left = encode(folder / "no_matrix.mp4", 1, pixels=stored)
    content = bytearray(left.read_bytes())
    content[place : place + 36] = struct.pack(">9i", *[0] * 9)  # says nothing
    left.write_bytes(content)
    assert np.abs(next(VideoFile(left).frames()).draw(None).astype(float) - stored).mean() < 3


@pytest.mark.parametrize(
    ("turned", "corner"), [(90, "lower left"), (-90, "upper right"), (180, "lower right")]
)
def test_a_telephone_that_was_held_upright(turned, corner, folder):
    video = VideoFile(encode(folder / f"turned{turned}.mp4", 2, turned=turned))
    pixels = next(video.frames()).draw(None)
    height, width = pixels.shape[:2]
    assert (width > height) == (turned == 180)
    white = {
        f"{across} {along}": pixels[rows, columns].mean() > 250
        for across, rows in (("upper", slice(0, height // 4)), ("lower", slice(-height // 4, None)))
        for along, columns in (("left", slice(0, width // 4)), ("right", slice(-width // 4, None)))
    }
    assert white == {place: place == corner for place in white}


def test_a_variable_rate_keeps_its_times(folder):
    times = [0, 1, 2, 10, 11, 40, 90, 91]
    video = VideoFile(encode(folder / "vfr.mp4", len(times), times=times))
    np.testing.assert_allclose(video.times, np.array(times) / 30, atol=1e-3)
    assert indices_at_rate(video.times, 1.0).tolist() == [0, 5, 6]
    assert [f.index for f in video.frames_at([5, 6])] == [5, 6]


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("ts", "libx264"), ("ts", "mpeg2video"), ("m2ts", "libx264"), ("mpg", "mpeg2video")],
)
def test_joined_streams_are_read_to_the_end(ending, codec, folder):
    """`cat a.ts b.ts a.ts`: the clock starts again, and the same time stamps come three times."""
    lengths = {
        name: encode(folder / f"{name}.{ending}", n, codec=codec)
        for name, n in (("a", 20), ("b", 35))
    }
    joined = folder / f"joined.{ending}"
    joined.write_bytes(b"".join(lengths[name].read_bytes() for name in "aba"))
    video = VideoFile(joined)
    expected = [grey(i) for number in (20, 35, 20) for i in range(number)]
    assert "its clock starts again 2 times" in video.problem
    frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(75))
    assert [abs(brightness(f) - grey) < 4 for f, grey in zip(frames, expected, strict=True)] == [
        True
    ] * 75
    gaps = np.diff(video.times)
    assert np.median(gaps) == pytest.approx(1 / 30, abs=1e-3)
    assert 0 < gaps.min() <= gaps.max() < 0.2
    for indices in ([3, 21, 60], [60], [19, 20, 54, 55, 74]):
        some = list(video.frames_at(indices))
        assert [frame.index for frame in some] == indices
        assert all(abs(brightness(f) - expected[f.index]) < 4 for f in some)


@pytest.mark.parametrize(
    ("ending", "codec", "read"),
    [
        ("mkv", "libx264", 55),
        ("webm", "libvpx", 55),
        ("mp4", "libx264", 20),
        ("flv", "libx264", 20),
        ("avi", "mpeg4", 125),
    ],
)
def test_frames_behind_the_end_of_a_film_are_counted(ending, codec, read, folder):
    """FFmpeg, and a player, show the first film alone, of Matroska two; here of four."""
    lengths = {"a": 20, "b": 35, "c": 50}
    films = {name: encode(folder / f"b{name}.{ending}", n, codec=codec).read_bytes()
             for name, n in lengths.items()}  # fmt: skip
    for order in ("a", "abca"):
        joined = folder / f"behind_{order}.{ending}"
        joined.write_bytes(b"".join(films[name] for name in order))
        video = VideoFile(joined)
        there = sum(lengths[name] for name in order)
        assert len(list(video.frames())) == len(video.times) == min(read, there)
        left = there - len(video.times)
        assert (
            f"{left} more frames lie behind its end, in another film, left out" in video.problem
        ) == (left > 0)


def test_what_lies_behind_a_film_and_is_none_is_measured(folder):
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, 2 * SIDE, 3), np.uint8)
    one = encode(folder / "noise.mp4", 70, pixels=noise)
    assert VideoFile(one).problem == ""
    joined = folder / "behind.mp4"
    joined.write_bytes(one.read_bytes() + b"....ftyp" + bytes(10**5))
    assert "0.1 of 0.2 MB lie behind its end" in VideoFile(joined).problem


def test_a_clock_that_was_set_makes_no_pause(folder):
    """In a format for transmission a day is no length of a frame; in others it is one."""
    times = [*range(20), *range(10**6, 10**6 + 20)]
    stream = VideoFile(encode(folder / "set.ts", 40, times=times))
    assert "its clock starts again 1 time;" in stream.problem
    np.testing.assert_allclose(stream.times, np.arange(40) / 30, atol=1e-3)
    pause = VideoFile(encode(folder / "pause.mkv", 40, times=times))
    assert pause.times[-1] > 30000
    assert pause.problem == ""
    few = VideoFile(encode(folder / "few.ts", 4, times=[0, 600, 1200, 1800]))  # one in 20 seconds
    np.testing.assert_allclose(few.times, [0, 20, 40, 60], atol=1e-3)


def test_stamps_without_times_of_decoding():
    pts = [0, 3, 1, 2, 4, 0, 2, 1]
    keys = [True, False, False, False, True, True, False, False]
    found = in_order(pts, [None] * 8, keys, 0.04, 0.04, clock_jumps=False)
    assert found.pts.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    np.testing.assert_allclose(found.times, 0.04 * np.arange(8))
    assert found.keyframes.tolist() == [0, 4, 5]
    assert [found.index(1, after) for after in (0, 1, 5)] == [1, 6, 6]


def test_other_tracks_of_pictures_are_named(folder):
    with av.open(str(folder / "two.mkv"), "w") as container:
        streams = [container.add_stream("libx264", rate=30) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 2 * SIDE, SIDE, "yuv420p"
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(np.zeros((SIDE, 2 * SIDE, 3), np.uint8), "rgb24")
            frame.pts = 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert "only the first of 2 tracks of pictures" in VideoFile(folder / "two.mkv").problem


def test_no_frame_is_kept(mp4):
    references: list[weakref.ref] = []
    for frames in (VideoFile(mp4).frames(), VideoFile(mp4).frames_at(range(0, 40, 2))):
        references.clear()
        for frame in frames:
            references.append(weakref.ref(frame))
            frame.draw((8, 8))
            assert sum(reference() is not None for reference in references) <= 2
        assert len(references) >= 20


def test_a_truncated_file_gives_what_is_there_and_says_so(folder):
    whole = encode(folder / "w.mp4", 240, options={"movflags": "faststart"})
    cut = folder / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(0.7 * whole.stat().st_size)])
    video = VideoFile(cut)
    frames = list(video.frames())
    assert 40 < len(frames) < 240
    assert np.all(np.diff([frame.index for frame in frames]) > 0)
    assert "cut off" in video.problem
    assert "of 240 frames" in video.problem
    assert len(list(video.frames_at([0, 20, len(video.times) - 1]))) >= 2


def test_a_truncated_matroska_file(folder):
    whole = encode(folder / "w.mkv", 240)
    cut = folder / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    video = VideoFile(cut)
    assert 40 < len(list(video.frames())) < 240
    assert "of 8.0 seconds are there" in video.problem


def test_damage_in_the_middle_costs_some_frames_only(folder):
    content = bytearray(encode(folder / "w2.mp4", 240).read_bytes())
    middle = content.find(b"mdat") + 3000
    content[middle : middle + 300] = bytes(300)
    damaged = folder / "damaged.mp4"
    damaged.write_bytes(bytes(content))
    video = VideoFile(damaged)
    frames = list(video.frames())
    assert 100 < len(frames) < 240
    assert "could not be decoded" in video.problem
    assert [f.index for f in frames] == sorted({f.index for f in frames})


def test_what_is_no_video_is_named_in_one_sentence(folder, mp4):
    def refused(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            open_video(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist" in refused(folder / "absent.mp4")
    empty = folder / "empty.mp4"
    empty.write_bytes(b"")
    assert "empty" in refused(empty)
    text = folder / "text.mp4"
    text.write_text("a film about a hedgehog\n" * 100)
    assert "it is none" in refused(text)
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    assert "sound but no pictures" in refused(folder / "sound.wav")
    cut = folder / "no_index.mp4"
    cut.write_bytes(mp4.read_bytes()[:2000])
    assert "its index is missing" in refused(cut)
    with av.open(str(folder / "zero.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        container.start_encoding()
    assert "ends before its first frame" in refused(folder / "zero.mkv")
    playlist = folder / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:1/a.ts\n#EXT-X-ENDLIST\n")
    refused(playlist)


def test_a_video_of_one_frame(folder):
    video = VideoFile(encode(folder / "one.mp4", 1))
    assert [frame.index for frame in video.frames()] == [0]
    assert indices_at_rate(video.times, 2.0).tolist() == [0]


def test_a_folder_of_frames(tmp_path):
    for i in range(12):
        pixels = np.full((10, 20, 3), 20 * i, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.jpg", quality=95)
    (tmp_path / "7.jpg").write_bytes(b"broken")
    video = PictureFolder(tmp_path, 4.0)
    np.testing.assert_allclose(video.times, np.arange(12) / 4)
    frames = list(video.frames())
    assert [frame.index for frame in frames] == [i for i in range(12) if i != 7]
    for frame in frames:
        assert frame.draw(None).shape == (10, 20, 3)
        assert abs(float(frame.draw((4, 4)).mean()) - 20 * frame.index) < 3
    assert "1 of 12 pictures cannot be read (7.jpg)" in video.problem
    assert [f.index for f in video.frames_at([7, 8, 11])] == [8, 11]


def test_frames_are_read_as_photos_are(tmp_path):
    """16 bits, transparency, and all orientations: a frame shown small is the photo read small."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (4, 6)), np.ones((8, 8), int)).astype(np.uint8)
    Image.fromarray(blocks.astype(np.uint16) * 257).save(tmp_path / "0.png")
    Image.fromarray(np.dstack([blocks] * 4)).save(tmp_path / "1.png")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(blocks).save(tmp_path / f"{orientation + 1}.jpg", quality=95, exif=exif)
    frames = list(PictureFolder(tmp_path, 2.0).frames())
    assert len(frames) == 10
    for frame in frames:
        name = f"{frame.index}.{'png' if frame.index < 2 else 'jpg'}"
        expected = read_image(str(tmp_path / name), 24).astype(float)
        assert np.abs(frame.draw((24, 24)) - expected).mean() < 2
        assert frame.draw(None).shape == ((48, 32, 3) if frame.index >= 6 else (32, 48, 3))


def test_folders_with_nothing_in_them(tmp_path):
    with pytest.raises(UserError, match="holds no pictures"):
        open_video(tmp_path)
    with pytest.raises(UserError, match="holds no videos"):
        find_videos([tmp_path])
    (tmp_path / "x.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="none can be read"):
        list(open_video(tmp_path).frames())


def test_videos_and_folders_of_frames_are_found(tmp_path):
    for name in ("b10.mp4", "b9.MP4", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.jpg").write_bytes(b"")
    (tmp_path / "other").mkdir()
    notes, nine = tmp_path / "notes.txt", tmp_path / "b9.MP4"
    found, passed_over = find_videos([tmp_path, notes, nine, nine])
    names = ["b10.mp4", "frames", "notes.txt", "b9.MP4", "b9.MP4"]  # what is named is taken so
    assert [path.name for path in found] == names
    assert passed_over == {".txt": 1, "hidden": 1}


def test_pictures_beside_films_do_not_hide_them(tmp_path, mp4):
    """A camera's card: films of two endings, a photo, thumbnails, what systems leave."""
    card = tmp_path / "DCIM" / "100MEDIA"
    for folder in (card / "frames", card / "empty", tmp_path / "@eaDir", tmp_path / "MISC"):
        folder.mkdir(parents=True)
    for name in ("a.mp4", "b.MOV", "odd.film", "a.LRV"):
        (card / name).write_bytes(mp4.read_bytes())
    picture = Image.new("RGB", (16, 16))
    for name in ("photo.jpg", "a.THM", "frames/1.png", "frames/2.img", "../../@eaDir/x.jpg"):
        picture.save(card / name, format="png")
    (card / "notes").write_text("Friday")
    (card / "link.mp4").symlink_to(card / "a.mp4")
    (card / "up").symlink_to(tmp_path)
    found, passed_over = find_videos([tmp_path])
    names = [str(path.relative_to(card)) for path in found]
    assert names == ["a.mp4", "b.MOV", "frames", "odd.film"]
    assert passed_over == {".jpg": 1, ".thm": 1, ".lrv": 1, "no ending": 1, "@eaDir/": 1}
    assert len(open_video(card / "frames").times) == 2
    for name in ("run/config.json", "run/checkpoints/1", "run/report/curves.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        picture.save(tmp_path / name, format="png")
    assert find_videos([tmp_path])[1] == passed_over + collections.Counter({"of a run/": 1})
    (tmp_path / "frames" / "@eaDir").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no videos .* passed over: 1 @eaDir/"):
        find_videos([tmp_path / "frames"])


@pytest.mark.parametrize(("name", "codec"), [k for k in KINDS if k[0] != "k.h264"])
def test_films_are_known_by_their_content(name, codec, folder):
    kind = Path(name).suffix.removeprefix(".")
    encoded = encode(folder / f"content_{name}", 2, codec=codec)
    other = encoded.rename(folder / f"film_{kind}.dat")
    assert is_film(other)
    assert not is_film(encoded.with_suffix(".absent"))


def test_pictures_and_sound_are_no_films(tmp_path):
    for number, start in enumerate(
        [b"\0\0\0\x20ftypheic", b"RIFF\0\0\0\0WEBP", b"G" * 20, b"", b"x" * 400]
    ):
        (tmp_path / f"{number}").write_bytes(start + bytes(50))
        assert not is_film(tmp_path / f"{number}")


def test_one_picture_does_not_hide_folders_of_frames(tmp_path):
    for name in ("cover.png", "one/1.png", "two/1.png", "two/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    found, _ = find_videos([tmp_path])
    assert found == [tmp_path, tmp_path / "one", tmp_path / "two"]


increasing = st.lists(st.floats(0.001, 3.0), max_size=60).map(
    lambda gaps: np.concatenate([[0.0], np.cumsum(gaps)])
)


@settings(deadline=None, max_examples=100)
@given(increasing, st.floats(0.1, 60.0))
def test_sampling_at_a_rate(times, rate):
    found = indices_at_rate(times, rate)
    assert found[0] == 0
    assert np.all(np.diff(found) > 0)
    for k in range(int(times[-1] * rate) + 1):
        assert abs(times[found] - k / rate).min() <= abs(times - k / rate).min() + 1e-9


def test_the_rate_of_the_data_gives_its_picks():
    """TVSum's features are of every 15th frame of about 30 a second."""
    times = np.arange(4000) * 1001 / 30000
    np.testing.assert_allclose(indices_at_rate(times, 2.0)[:60], 15 * np.arange(60), atol=1)
    times = np.arange(100) / 25
    assert indices_at_rate(times, 25.0).tolist() == list(range(100))
    assert indices_at_rate(times, 1000.0).tolist() == list(range(100))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 500), st.integers(1, 600))
def test_uniform_sampling(number, count):
    found = uniform_indices(np.arange(number) / 30, count)
    assert len(found) == min(number, count)
    assert 0 <= found[0] <= found[-1] < number
    gaps = np.diff(found)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
    assert set(found) == {(2 * k + 1) * number // (2 * count) for k in range(count)}


@settings(deadline=None, max_examples=100)
@given(increasing, st.integers(1, 60))
def test_uniform_sampling_is_over_time(times, count):
    found = uniform_indices(times, count)
    end = times[-1] + (np.median(np.diff(times)) if len(times) > 1 else 1.0)
    ends = np.append(times[1:], end)
    off = times[-1] / max(len(times) - 1, 1) if is_steady(times) else 0.002  # else to two ticks
    for k in range(count):
        middle = (2 * k + 1) / (2 * count) * end
        assert any(times[i] - off <= middle <= ends[i] + off for i in found)
