"""Tables: what is read, what is refused and how it is said, and what scoring writes back."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import io
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aeanom.data import Table, is_anomaly_label, read_table, write_scored
from aeanom.errors import InvalidDataError, MissingDependencyError


@pytest.fixture
def csv_file(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def standard_input(monkeypatch):
    def give(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return give


def parquet_file(folder, **columns):
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


# Reading ------------------------------------------------------------------------------------------


def test_a_csv_gives_float64_rows_and_names(csv_file):
    table = read_table(csv_file("a,b,c\n1,2.5,true\n-3,1e3,false\n"))
    assert table.names == ("a", "b", "c")
    assert table.labels is None
    np.testing.assert_array_equal(table.rows, [[1, 2.5, 1], [-3, 1000, 0]])
    assert table.rows.dtype == np.float64
    assert table.rows.flags.c_contiguous


@pytest.mark.parametrize("empty", ["", "NA", "NaN", "null"])
def test_empty_cells_are_nan(csv_file, empty):
    table = read_table(csv_file(f"a,b\n1,{empty}\n{empty},2\n"))
    np.testing.assert_array_equal(table.rows, [[1, np.nan], [np.nan, 2]])


def test_a_wholly_empty_column_is_nan(csv_file):
    np.testing.assert_array_equal(
        read_table(csv_file("a,b\n1,\n2,\n")).rows, [[1, np.nan], [2, np.nan]]
    )


def test_infinities_are_left_for_validation(csv_file):
    np.testing.assert_array_equal(
        read_table(csv_file("a\ninf\n-inf\n")).rows, [[np.inf], [-np.inf]]
    )


def test_label_and_ignored_columns_are_no_features(csv_file):
    table = read_table(
        csv_file("id,a,y,b\n001,1,normal,2\n002,3,odd,4\n"), label="y", ignore=["id"]
    )
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.rows, [[1, 2], [3, 4]])
    assert table.labels.tolist() == ["normal", "odd"]
    assert table.original.column("id").to_pylist() == ["001", "002"]


def test_columns_are_picked_by_name_in_the_models_order(csv_file):
    table = read_table(csv_file("note,b,a\nx,2,1\ny,4,3\n"), columns=("a", "b"))
    assert table.names == ("a", "b")
    np.testing.assert_array_equal(table.rows, [[1, 2], [3, 4]])
    assert table.original.column_names == ["note", "b", "a"]


@pytest.mark.parametrize("rows", [10, 1_000_000])
def test_a_column_may_turn_fractional_at_its_end(csv_file, rows):
    # The longer file has several of the blocks that pyarrow reads, and infers types from.
    table = read_table(csv_file("a\n" + "1234567890123456789\n" * rows + "0.5\n"))
    assert table.rows.shape == (rows + 1, 1)
    assert table.rows[-1] == 0.5


def test_a_text_at_the_end_of_a_long_column_is_found(csv_file):
    with pytest.raises(InvalidDataError, match=r"such as '\?' in row 1000001"):
        read_table(csv_file("a\n" + "12345678901234567890\n" * 1_000_000 + "?\n"))


def test_a_row_may_be_longer_than_a_megabyte(csv_file):
    # pyarrow's own default refuses a row that does not fit into two blocks of 1 MiB.
    names, cells = [f"column{number}" for number in range(500)], ["0." + "3" * 6000] * 500
    table = read_table(csv_file(f"{','.join(names)}\n{','.join(cells)}\n"))
    np.testing.assert_array_equal(table.rows, np.full((1, 500), 1 / 3))


def test_gzip_is_read_and_a_byte_order_mark_is_dropped(csv_file):
    path = csv_file(gzip.compress(b"\xef\xbb\xbfa,b\n1,2\n", mtime=0), "t.csv.gz")
    table = read_table(path)
    assert table.names == ("a", "b")
    assert table.rows.tolist() == [[1, 2]]


def test_tab_separated_files_are_read(csv_file):
    assert read_table(csv_file("a\tb\n1\t2\n", "t.tsv")).rows.tolist() == [[1, 2]]


def test_a_dash_is_csv_on_standard_input(standard_input):
    standard_input("a,b\n1,2\n")
    assert read_table("-").rows.tolist() == [[1, 2]]


def test_quoted_names_and_cells_may_hold_commas_and_line_ends(csv_file):
    table = read_table(csv_file('"a,1",note\n1,"x\ny"\n2,"z, ""w"""\n'), ignore=["note"])
    assert table.names == ("a,1",)
    assert table.original.column("note").to_pylist() == ["x\ny", 'z, "w"']


def test_line_ends_in_cells_do_not_break_a_file_of_many_blocks(csv_file):
    cell = "line\n" * 1500
    table = read_table(csv_file("a,note\n" + f'1,"{cell}"\n' * 3000), ignore=["note"])
    assert table.rows.shape == (3000, 1)
    assert table.original.column("note")[2999].as_py() == cell


def test_the_row_index_that_pandas_writes_is_no_feature(tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    frame.to_csv(tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv")
    assert table.names == ("a",)
    assert table.original.column_names == ["", "a"]
    frame.set_index(pd.Index([7, 9], name="id")).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").names == ("a",)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.uint64()),
        pa.array([1, 2, None], pa.float32()),
        pa.array([np.float16(1), np.float16(2), None], pa.float16()),
        pa.array([1, 2, None], pa.decimal128(5, 2)),
        pa.array([1, 2, None]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_every_numeric_parquet_type_is_read(tmp_path, column):
    table = read_table(parquet_file(tmp_path, a=column))
    np.testing.assert_array_equal(table.rows, [[1], [2], [np.nan]])


def test_parquet_booleans_and_null_columns_are_read(tmp_path):
    path = parquet_file(tmp_path, a=pa.array([True, False, None]), b=pa.nulls(3))
    nan = np.nan
    np.testing.assert_array_equal(read_table(path).rows, [[1, nan], [0, nan], [nan, nan]])


def test_parquet_labels_keep_their_types(tmp_path):
    path = parquet_file(tmp_path, a=[1.0, 2.0, 3.0], y=pa.array([0, 1, None]))
    table = read_table(path, label="y")
    assert table.names == ("a",)
    assert table.labels.tolist() == [0, 1, None]


NUMBERS = st.floats(allow_nan=False, width=64)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_floats_survive_writing_and_reading_bit_for_bit(tmp_path, rows):
    values = np.array(rows)
    empty = Table(values[:, :0], (), None, pa.table({"id": ["x"] * len(values)}))
    write_scored(tmp_path / "t.csv", empty, {"a": values[:, 0], "b": values[:, 1]})
    np.testing.assert_array_equal(read_table(tmp_path / "t.csv", ignore=["id"]).rows, values)


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "has a header and no rows"),
        ("a,a,b,b\n1,2,3,4\n", "more than one column called 'a', 'b'"),
        ("a,,b\n1,2,3\n", "column 2 has no name"),
        ("a;b\n1;2\n", "seems to separate its columns with ';'"),
        ("a\tb\n1\t2\n", r"separate its columns with '\\t'"),
        ("a,b\n1,2\n3\n", "Row #3: Expected 2 columns, got 1"),
        (b"a,b\n1,\xff\xfe\n", "is not CSV in UTF-8|not numeric"),
        ("a,b\n1,2\n".encode("utf-16"), "is not CSV in UTF-8"),
        (gzip.compress(b"a\n1\n", mtime=0)[:-9], "gzip cannot read it"),
    ],
)
def test_what_is_no_table_is_refused(csv_file, text, message):
    path = csv_file(text)
    with pytest.raises(InvalidDataError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_columns_that_are_not_numbers_are_named_with_the_option_that_leaves_them_out(csv_file):
    path = csv_file("id,time,a\nA17,2020-01-01,1\nA18,2020-01-02,2\n")
    with pytest.raises(InvalidDataError) as caught:
        read_table(path)
    message = str(caught.value)
    assert "'id' (such as 'A17' in row 1), 'time' (such as '2020-01-01' in row 1)" in message
    assert "--ignore id,time," in message


def test_the_option_keeps_what_was_ignored_already(csv_file):
    path = csv_file("id,my time,a\nA17,noon,1\n")
    with pytest.raises(InvalidDataError, match="--ignore 'id,my time'"):
        read_table(path, ignore=["id"])


def test_the_one_cell_that_is_no_number_is_shown(csv_file):
    with pytest.raises(InvalidDataError, match=r"'a' \(such as '\?' in row 3\)"):
        read_table(csv_file("a\n1\n2\n?\n4\n"))


def test_parquet_columns_that_are_not_numbers_are_named(tmp_path):
    path = parquet_file(
        tmp_path,
        a=[1.0],
        day=[datetime.date(2020, 1, 2)],
        kind=pa.array(["x"]).dictionary_encode(),
        text=["1.5"],
        several=[[1, 2]],
    )
    with pytest.raises(InvalidDataError, match="--ignore day,kind,text,several") as caught:
        read_table(path)
    assert "'day' (such as '2020-01-02' in row 1)" in str(caught.value)


def test_a_model_column_that_is_not_numeric_cannot_be_ignored(csv_file):
    with pytest.raises(InvalidDataError, match="fitted with numbers there") as caught:
        read_table(csv_file("a,b\n1,x\n"), columns=["a", "b"])
    assert "--ignore" not in str(caught.value)


def test_missing_model_columns_are_listed_with_close_names(csv_file):
    path = csv_file("Temperature,b\n1,2\n")
    with pytest.raises(InvalidDataError, match="lacks 2 of the 3 columns") as caught:
        read_table(path, columns=["temperature", "b", "zzz"])
    assert "'temperature' (did you mean 'Temperature'?), 'zzz'" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [{"label": "clas"}, {"ignore": ["clas"]}, {"ignore": "clas"}, {"label": "CLASS "}],
)
def test_unknown_names_give_the_known_ones_and_a_guess(csv_file, arguments):
    with pytest.raises(InvalidDataError, match="did you mean 'class'") as caught:
        read_table(csv_file("class,value\n1,2\n"), **arguments)
    assert "its columns are 'class', 'value'" in str(caught.value)


def test_a_label_that_the_model_uses_is_refused(csv_file):
    with pytest.raises(InvalidDataError, match="fitted with 'a' as a feature"):
        read_table(csv_file("a,b\n1,2\n"), label="a", columns=["a", "b"])


def test_no_features_left_is_refused(csv_file):
    with pytest.raises(InvalidDataError, match="no feature columns left"):
        read_table(csv_file("a,b\n1,2\n"), label="a", ignore=["b"])


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(FileNotFoundError):
            read_table(tmp_path / name)


def test_other_extensions_are_refused(csv_file):
    with pytest.raises(InvalidDataError, match=r"\.csv or \.tsv .*, not \.xlsx"):
        read_table(csv_file("a\n1\n", "t.xlsx"))


def test_damaged_parquet_is_refused(tmp_path):
    path = parquet_file(tmp_path, a=list(range(100)))
    content = bytearray(path.read_bytes())
    for damaged in (b"", b"PAR1", bytes(content[:-20]), bytes(4) + bytes(60) + bytes(content[64:])):
        path.write_bytes(damaged)
        with pytest.raises(InvalidDataError, match="cannot be read as Parquet"):
            read_table(path)


def test_without_pyarrow_the_pip_line_is_given(csv_file, monkeypatch):
    path = csv_file("a\n1\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match="pip install pyarrow"):
        read_table(path)


# Writing ------------------------------------------------------------------------------------------

SCORES = {"anomaly_score": np.array([0.1 + 0.2, 1e-300]), "is_anomaly": np.array([True, False])}


def test_scored_csv_has_every_original_cell_as_it_was(csv_file, tmp_path):
    table = read_table(csv_file("id,when,a\n007,2020-01-01T00:00,1\n008,,2\n"), columns=["a"])
    write_scored(tmp_path / "scored.csv", table, SCORES)
    assert (tmp_path / "scored.csv").read_text() == (
        "id,when,a,anomaly_score,is_anomaly\n"
        "007,2020-01-01T00:00,1,0.30000000000000004,true\n"
        "008,,2,1e-300,false\n"
    )


def test_texts_are_quoted_where_one_needs_it(csv_file, tmp_path):
    table = read_table(csv_file('"a,b",a\n"x, ""y""",1\nz,2\n'), columns=["a"])
    write_scored(tmp_path / "scored.csv", table, SCORES)
    frame = pd.read_csv(tmp_path / "scored.csv")
    assert frame["a,b"].tolist() == ['x, "y"', "z"]
    assert frame["is_anomaly"].tolist() == [True, False]


@pytest.mark.parametrize("name", ["scored.parquet", "scored.csv.gz", "scored.tsv"])
def test_other_formats_read_back(csv_file, tmp_path, name):
    table = read_table(csv_file("id,a\nx,1\ny,2\n"), columns=["a"])
    write_scored(tmp_path / name, table, SCORES)
    back = read_table(tmp_path / name, ignore=["id"])
    assert back.names == ("a", "anomaly_score", "is_anomaly")
    np.testing.assert_array_equal(back.rows, [[1, 0.1 + 0.2, 1], [2, 1e-300, 0]])


def test_parquet_categories_are_written_to_csv(tmp_path):
    path = parquet_file(tmp_path, a=[1.0, 2.0], kind=pa.array(["x", "y"]).dictionary_encode())
    table = read_table(path, columns=["a"])
    write_scored(tmp_path / "scored.csv", table, {"feature": np.array(["a", "a"], dtype=object)})
    assert (tmp_path / "scored.csv").read_text() == "a,kind,feature\n1,x,a\n2,y,a\n"


@pytest.mark.parametrize("path", [None, "-"])
def test_standard_output_is_csv(csv_file, capfdbinary, path):
    write_scored(path, read_table(csv_file("a\n1\n2\n")), {"s": np.array([0.5, 1.5])})
    assert capfdbinary.readouterr().out == b"a,s\n1,0.5\n2,1.5\n"


def test_a_standard_output_of_text_only_is_served(csv_file):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        write_scored(None, read_table(csv_file("ä\n1\n")), {"s": np.array([0.5])})
    assert output.getvalue() == "ä,s\n1,0.5\n"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": np.zeros(2)}, "already has columns called 'a'"),
        ({"s": np.zeros(3)}, r"'s' has shape \(3,\), and the table 2 rows"),
        ({"s": np.zeros((2, 1))}, r"'s' has shape \(2, 1\)"),
    ],
)
def test_columns_that_do_not_fit_are_refused_before_anything_is_written(
    csv_file, tmp_path, capfd, columns, message
):
    table = read_table(csv_file("a\n1\n2\n"))
    for path in (tmp_path / "scored.csv", None):
        with pytest.raises(InvalidDataError, match=message):
            write_scored(path, table, columns)
    assert not (tmp_path / "scored.csv").exists()
    assert capfd.readouterr().out == ""


def test_an_old_file_stays_where_csv_cannot_hold_a_column(tmp_path):
    table = read_table(parquet_file(tmp_path, a=[1.0], several=[[1, 2]]), columns=["a"])
    old = tmp_path / "scored.csv"
    old.write_text("old")
    with pytest.raises(InvalidDataError, match=r"'several' .* cannot be written as CSV"):
        write_scored(old, table, {})
    assert old.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["scored.csv", "table.parquet"]


def test_an_unknown_extension_is_refused_before_anything_is_written(csv_file, tmp_path):
    table = read_table(csv_file("a\n1\n"))
    with pytest.raises(InvalidDataError, match=r"not \.xlsx"):
        write_scored(tmp_path / "scored.xlsx", table, {})


# Labels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "normal"),
    [
        (["0", "1", "0"], ["0"]),
        ([0, 1, 0], ["0"]),
        ([0.0, 1.0, 0.0], ["0"]),
        (["0.0", "1.0", " 0"], ["0"]),
        (np.array([0, 1, 0]), [0]),
        ([False, True, False], ["false"]),
        (["False", "True", "FALSE"], [False]),
        (["normal", "Normal", "normal "], ["normal"]),
        ([0, 10**20 + 1, 10**20], ["0", str(10**20)]),
        (["", "x", None], [""]),
        ([float("nan"), "x", ""], [""]),
    ],
)
def test_normal_labels_match_by_what_they_stand_for(labels, normal):
    assert is_anomaly_label(labels, normal).tolist() == [False, True, False]


def test_one_normal_label_may_stand_alone():
    assert is_anomaly_label(["benign", "odd"], "benign").tolist() == [False, True]


def test_no_normal_row_at_all_is_refused_with_the_labels_found():
    with pytest.raises(InvalidDataError, match=r"no row has a normal label \('0'\)") as caught:
        is_anomaly_label(["good", "bad", "good"], ["0"])
    assert "'good' (2 rows), 'bad' (1 rows)" in str(caught.value)


def test_rows_without_a_label_are_refused():
    with pytest.raises(InvalidDataError, match="2 rows have no label, the first of them row 2"):
        is_anomaly_label(["0", "", None, "1"], ["0"])


def test_a_number_and_a_text_that_python_would_take_for_it_differ():
    assert is_anomaly_label(["10", "1_0", "nan", "inf"], ["10"]).tolist() == [
        False, True, True, True,
    ]  # fmt: skip
