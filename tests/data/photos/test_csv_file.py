"""Tables as spreadsheets write them and as they break: nothing is read wrongly in silence."""

import csv
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_jax.data.photos import describe, load_dataset, make_splits
from reid_jax.data.photos.csv_file import lines_text, read_table
from reid_jax.errors import UserError


def write(folder, text, encoding="utf-8", photos=("1", "2", "3", "4")):
    (folder / "images").mkdir(exist_ok=True)
    for shade, name in enumerate(photos):
        Image.new("RGB", (20, 16), (shade, 20, 30)).save(folder / "images" / f"{name}.jpg")
    (folder / "metadata.csv").write_bytes(text.encode(encoding))
    return f"csv:{folder}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('images/1.jpg,t1\nimages/2.jpg,"t2\nimages/3.jpg,t1\n', "line 3: a quote is opened and"),
        ('images/1.jpg,"t1\nimages/2.jpg,"t2"\n', "line 2: a field goes on after its closing"),
        ('images/1.jpg,"t1\nimages/2.jpg,t2"\n', "line 2: the identity goes over several lines"),
        ("images/1.jpg,t1\nimages/2.jpg,t2,t3\nimages/3.jpg\n", r"in lines 3-4 \(3 in line 3\)"),
    ],
)
def test_broken_rows_are_an_error_that_names_the_line(tmp_path, text, words):
    with pytest.raises(UserError, match=words) as caught:
        load_dataset(write(tmp_path, "path,identity\n" + text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'path,identity,notes\nimages/1.jpg,t1,"a\nimages/2.jpg,t1,b\nimages/3.jpg,t2,c"\n',
        'path,identity,notes\nimages/1.jpg,t1,"a\nimages/2.jpg,t1,b"\nimages/3.jpg,t2,c\n',
        'notes,path,identity\n"a,images/1.jpg,t1\nb",images/2.jpg,t1\nc,images/3.jpg,t2\n',
    ],
)
def test_a_quote_that_another_row_closes_swallows_none(tmp_path, text):
    with pytest.raises(UserError, match=r"line 2: a field in quotes goes on to line [34] and hold"):
        load_dataset(write(tmp_path, text))


def test_a_note_over_several_lines_may_name_a_photo(tmp_path):
    text = 'path,identity,notes\nimages/1.jpg,t1,"like 2.jpg,\nas seen in 3.jpg,\nno, 4.jpg"\n'
    assert len(load_dataset(write(tmp_path, text))) == 1


def test_quotes_after_a_space_are_quotes(tmp_path):
    text = 'path, identity, notes\n"images/1.jpg", "t1, old", "a"\n"images/2.jpg", "t2", "b"\n'
    assert load_dataset(write(tmp_path, text)).identities == ("t1, old", "t2")


def test_a_run_goes_on_with_the_table_that_it_was_trained_with(tmp_path):
    source = write(tmp_path, "path,identity,camera\nimages/1.jpg,t1\nimages/2.jpg,t2,A,B\n")
    with pytest.raises(UserError, match="lines 2-3"):
        load_dataset(source)
    dataset = load_dataset(source, keep={str(tmp_path / "images" / "1.jpg")})
    assert dataset.identities == ("t1", "t2")
    assert dataset.columns["camera"].tolist() == ["", "A"]
    assert "do not fit its 3 columns, in lines 2-3" in describe(dataset)


def test_quotes_line_breaks_and_empty_fields_that_are_well_formed_are_read(tmp_path):
    source = write(
        tmp_path,
        'path,identity,note\nimages/1.jpg,"t ""1""","seen, twice\nin May"\n\n,,\n'
        'images/2.jpg,t2,12" long,,\nimages/9.jpg,t2,\n',
    )
    dataset = load_dataset(source)
    assert dataset.identities == ('t "1"', "t2")
    assert dataset.skipped == (("images/9.jpg", "the file in line 7 is missing"),)


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_line_that_names_the_separator_is_read(tmp_path, first):
    text = f"{first}\r\npath;identity,name\r\nimages/1.jpg;\r\nimages/9.jpg;t2\r\n"
    text = text.replace("identity,name", "identity")
    with pytest.raises(UserError, match=r"no identity in line 3"):
        load_dataset(write(tmp_path, text))
    assert len(load_dataset(write(tmp_path, text.replace("1.jpg;", "1.jpg;a,b")))) == 1


def test_the_encoding_is_named_when_it_is_guessed(tmp_path):
    text = "path,identity\nimages/1.jpg,t1\nimages/2.jpg,Šárka\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        dataset = load_dataset(write(tmp_path, text, encoding))
        assert dataset.identities[1] == "Šárka"
        assert dataset.notes == ()
    for encoding, said in (("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")):
        (note,) = load_dataset(write(tmp_path, text, encoding)).notes
        assert f"was taken for {said}" in note
    dataset = load_dataset(write(tmp_path, text, "cp1252"))
    assert dataset.identities[1] == "Šárka"
    assert "is no UTF-8 (line 3) and was taken for Latin-1" in describe(dataset)
    (tmp_path / "metadata.csv").write_bytes(text.encode("utf-16") + b"x")
    with pytest.raises(UserError, match="breaks off"):
        load_dataset(f"csv:{tmp_path}")


def test_a_column_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="2 columns identity; leave one"):
        load_dataset(write(tmp_path, "path,identity,Identity\nimages/1.jpg,t1,t2\n"))


def test_one_file_under_several_paths_is_one_photo(tmp_path):
    source = write(
        tmp_path,
        "path,identity\nimages/1.jpg,t1\n./images/1.jpg,t1\nimages/../images/1.jpg,t2\n"
        f"{tmp_path}/images/1.jpg,t1\nimages\\1.jpg,t1\nlink.jpg,t1\n",
    )
    (tmp_path / "link.jpg").symlink_to(tmp_path / "images" / "1.jpg")
    dataset = load_dataset(source)
    assert len(dataset) == 1
    assert [reason.rpartition("listed again in ")[2] for _, reason in dataset.skipped] == [
        f"line {line}" for line in (3, 4, 5, 6, 7)
    ]


@pytest.mark.parametrize(("disk", "table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_files_are_found_in_either_unicode_form(tmp_path, disk, table):
    names = [unicodedata.normalize(disk, name) for name in ("été", "ño", "plain")]
    text = unicodedata.normalize(table, "Füße/été.jpg,Zoë\nFüße/ño.jpg,Zoe\u0308\n")
    source = write(tmp_path, "path,identity\n" + text + "images/plain.jpg,t\n", photos=names)
    folder = tmp_path / unicodedata.normalize(disk, "Füße")
    folder.mkdir()
    for name in names[:2]:
        (tmp_path / "images" / f"{name}.jpg").rename(folder / f"{name}.jpg")
    dataset = load_dataset(source)
    assert dataset.skipped == ()
    assert dataset.identities == (unicodedata.normalize("NFC", "Zoë"), "t")
    assert len(dataset) == 3


def test_an_empty_cell_is_an_empty_string(tmp_path):
    source = write(tmp_path, "path,identity,camera\nimages/1.jpg,t1,\nimages/2.jpg,t1, A \n")
    assert load_dataset(source).columns["camera"].tolist() == ["", "A"]


def test_an_unknown_camera_is_not_one_camera(tmp_path):
    rows = [f"images/{n}.jpg,t1,{camera}" for n, camera in enumerate(("Unknown", "A", "N/A"), 1)]
    source = write(tmp_path, "\n".join(["path,identity,camera", *rows]))
    assert load_dataset(source).columns["camera"].tolist() == ["", "A", ""]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("train", "Test", "val"), None),
        (("left", "right", ""), None),
        (("train", "tset", "test"), '1 photo has "tset" in the column "split"'),
        (("train", "", "test"), '1 photo has nothing in the column "split"'),
    ],
)
def test_photos_of_no_side_of_a_given_split_are_counted(tmp_path, values, words):
    rows = [f"images/{n}.jpg,t1,{value}" for n, value in enumerate(values, 1)]
    notes = load_dataset(write(tmp_path, "\n".join(["path,identity,split", *rows]))).notes
    assert [note.startswith(words) for note in notes] == [True] if words else notes == ()


def test_an_odd_date_costs_only_the_splits_that_need_dates(tmp_path):
    rows = [f"images/{n}.jpg,t{n % 3},2021-07-{n:02d}" for n in range(1, 9)]
    rows[2], rows[5] = "images/3.jpg,t0,soon", "images/6.jpg,t0,1/2/2021"
    source = write(
        tmp_path, "\n".join(["path,identity,date", *rows]), photos=[str(n) for n in range(1, 9)]
    )
    dataset = load_dataset(source)
    assert np.flatnonzero(np.isnat(dataset.columns["date"])).tolist() == [2, 5]
    assert "2 of 8 dates cannot be read" in describe(dataset)
    assert len(make_splits(dataset, "photo", validation_fraction=0).train)
    for method in ("date", "open"):
        with pytest.raises(UserError, match=r'line 4 \("soon": not a date\), line 7 \("1/2/2021"'):
            make_splits(dataset, method)


def test_lines_are_counted_in_ranges():
    assert lines_text([3]) == "line 3"
    assert lines_text([3, 4, 5, 9, 11, 12]) == "lines 3-5, 9, 11-12"


def test_the_largest_field_fits_what_windows_has(tmp_path):
    (tmp_path / "a.csv").write_text("path,identity\n" + "x" * 200_000 + ",t\n")
    table = read_table(str(tmp_path / "a.csv"), ("path", "identity"), ())
    assert len(table["path"][0]) == 200_000
    assert csv.field_size_limit() < 2**31


@pytest.mark.parametrize("mark", ['"', ",", "\n", '""', ',"'])
def test_a_stray_mark_anywhere_is_an_error_or_loses_no_row(tmp_path, mark):
    names = ("path", "identity")
    text = 'path,identity,note\n1.jpg,t1,"a, b"\n2.jpg,t2,\n3.jpg,"t3",c\n4.jpg,t4,d\n'
    file = tmp_path / "a.csv"
    file.write_text(text)
    whole = set(read_table(str(file), names, ())["path"])
    for place in range(len(text) + 1):
        file.write_text(text[:place] + mark + text[place:])
        try:
            table = read_table(str(file), names, ())
        except UserError:
            continue
        read = "\n".join([*table["path"], *table["identity"]])
        assert sum(f"{n}.jpg" in read or f"{n}" in read for n in range(1, 5)) == 4, file.read_text()
        assert len(table["path"]) >= len(whole), file.read_text()


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1),
            st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        ),
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_writer_writes_is_read_back(tmp_path_factory, rows, delimiter, encoding):
    file = tmp_path_factory.mktemp("table") / "a.csv"
    with open(file, "w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(["path", "note"])
        writer.writerows(rows)
    table = read_table(str(file), ("path",), ())
    assert table["path"] == [path.strip() for path, note in rows if path.strip() or note.strip()]
