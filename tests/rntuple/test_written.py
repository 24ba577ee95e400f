"""RNTuples that ROOT writes for the tests: each against what ROOT reads, and any range of it."""

import random
from itertools import accumulate

import pytest
import uproot

import ladle
from ladle import _core
from tests.make_files import cached_file, file_names
from tests.make_files.rntuple import FORMS
from tests.rntuple.compare import assert_same_as_root, tables_of
from tests.rntuple.oracle import root_answers
from tests.rntuple.ranges import assert_range, read_column

pytest.importorskip("ROOT")

NAMES = [name for name in file_names() if name.startswith("rntuple-")]

#: All encodings of the format but SplitReal16, which no writer has.
ENCODINGS = {
    *("Bit 1", "Byte 8", "Char 8", "Switch 96", "Real16 16"),
    *(f"{kind}{n} {n}" for kind in ("Int", "UInt") for n in (8, 16, 32, 64)),
    *(f"Split{kind}{n} {n}" for kind in ("Int", "UInt") for n in (16, 32, 64)),
    *(
        f"{split}{kind}{n} {n}"
        for split in ("", "Split")
        for kind in ("Real", "Index")
        for n in (32, 64)
    ),
    *(f"Real32Trunc {bits}" for bits in range(10, 32)),
    *(f"Real32Quant {bits}" for bits in range(1, 33)),
}

#: ROOT's merger miscounts the zeros that it makes for a column of bits, and cannot read them.
FAILING = {("rntuple-merged-union.root", "yes")}


@pytest.fixture(scope="module")
def answers():
    """What ROOT reads of all tables: (name of the file, table) -> answer."""
    requests = [
        (cached_file(name), table, []) for name in NAMES for table in tables_of(cached_file(name))
    ]
    keys = [(path.name, table) for path, table, _ in requests]
    return dict(zip(keys, root_answers(requests), strict=True))


def test_every_table_is_what_root_reads(answers):
    assert {name for name, _ in answers} == set(NAMES)
    for (name, table), answer in answers.items():
        n = answer.n_entries
        assert assert_same_as_root(cached_file(name), table, answer) > 0
        assert_same_as_root(cached_file(name), table, answer, n // 3, n - n // 4)


def test_they_have_what_they_are_made_for(answers):
    assert set().union(*(answer.encodings for answer in answers.values())) == ENCODINGS
    for name, form in FORMS.items():
        answer = answers[f"rntuple-{name}.root", "t"]
        sizes = [n for group in form.plan for n in group]
        assert answer.n_groups == len(form.plan)
        assert answer.clusters == list(accumulate(sizes, initial=0))[: len(sizes)]
        if "max_key" in form.options:
            with uproot.open(cached_file(f"rntuple-{name}.root")) as file:
                anchor = file["t"].all_members
            assert anchor["fMaxKeySize"] == form.options["max_key"]
            assert max(anchor["fNBytesHeader"], anchor["fNBytesFooter"]) > anchor["fMaxKeySize"]

    fields = [
        (name, field) for (name, _), answer in answers.items() for field in answer.fields.items()
    ]
    assert {(name, column) for name, (column, field) in fields if field.fails} == FAILING


def test_reasons_of_one_file_do_not_speak_of_several():
    path = cached_file("rntuple-variants.root")
    alone = ladle.info(ladle.open(path)).unreadable
    assert alone["nested._1._0"] == "nested._0._0, of the same variant, cannot be read"
    twice = ladle.info(ladle.open([path, path])).unreadable
    assert twice["nested._1._0"] == f"{alone['nested._1._0']} from all files"


def test_steps_from_within_a_page_that_is_in_chunks():
    """Several columns have the same pages of ends, each step begins in one of them."""
    path = cached_file("rntuple-chunked-ends.root")
    columns = ["nJet", "nJet64", "Jet_pt"]
    whole = ladle.open(path)
    for start, stop in ((10, 85), (10, 300), (140, 290)):
        steps = ladle.iterate(
            path, step_size=10, filter_name=columns, entry_start=start, entry_stop=stop, threads=1
        )
        found = {name: [] for name in columns}
        for step in steps:
            for name in columns:
                found[name] += step[name].to_list()
        assert found == {name: whole[name][start:stop].to_list() for name in columns}


@pytest.mark.parametrize("name", NAMES)
def test_any_range_is_the_slice_of_the_whole(name):
    context = _core.Context()
    file = _core.File(context, str(cached_file(name)))
    reader = _core.Reader(context, 1)
    choice = random.Random(name)
    for path in tables_of(cached_file(name)):
        table = file.table(path)
        n = table.n_entries
        near = {border + step for border in table.clusters() for step in (-1, 0, 1)}
        borders = sorted(border for border in {*near, n // 2} if 0 <= border <= n)
        for index in range(table.n_columns):
            column = table.column(index)
            if column.reason is not None or (name, column.name) in FAILING:
                continue
            whole = read_column(reader, table, index, 0, n)
            for _ in range(12):
                start, stop = sorted(choice.choices(borders, k=2))
                part = read_column(reader, table, index, start, stop)
                assert_range(table, index, whole, part, start, stop)
