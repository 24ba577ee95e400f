"""What is in a file, and what is in a table."""

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from tests.cli.conftest import Run
from tests.cli.made import N_ENTRIES, made_columns


def answer(run: Run, *words: str | Path) -> Any:
    result = run(*words)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_ls_json(run: Run, made: Path) -> None:
    keys = {each["path"]: each for each in answer(run, "ls", "--json", made)}
    with uproot.open(made) as file:
        wanted = {path.rsplit(";", 1)[0]: name for path, name in file.classnames().items()}
    assert {path: each["class"] for path, each in keys.items()} == wanted
    events = keys["Events"]
    assert (events["format"], events["entries"]) == ("TTree", N_ENTRIES)
    assert events["columns"] == len(made_columns()) + 1
    assert [keys[path]["depth"] for path in ("inner", "inner/deep", "inner/deep/points")] == [
        0,
        1,
        2,
    ]
    assert "entries" not in keys["counts"]
    assert all(0 < each["nbytes"] < made.stat().st_size for each in keys.values())
    assert all(0 < each["offset"] < made.stat().st_size for each in keys.values())


def test_ls_for_people(run: Run, made: Path) -> None:
    result = run("ls", made)
    assert result.returncode == 0
    lines = {line.split(";")[0]: line for line in result.stdout.splitlines()}
    assert f"{N_ENTRIES} entries x {len(made_columns()) + 1} columns" in lines["Events"]
    assert "5 entries x 1 columns" in lines["    points"]
    assert "TDirectory" in lines["  deep"]
    assert lines["Events"].index("TTree") == lines["    points"].index("TTree")


def test_show_json(run: Run, made: Path) -> None:
    table = answer(run, "show", "--json", f"{made}:Events")
    assert table["file"] == str(made)
    with uproot.open(made) as file:
        tree = file["Events"]
        assert table["uuid"] == str(file.file.uuid)
        assert (table["table"], table["format"], table["title"]) == ("Events", "TTree", tree.title)
        columns = {each["name"]: each for each in table["columns"]}
        for name, branch in tree.items():
            column = columns.pop(name)
            assert column["type"] == str(branch.array().type.content)
            assert column["type_name"].startswith("TLeaf")
            assert column["pages"] == branch.num_baskets
            assert column["disk_nbytes"] == branch.compressed_bytes
        assert not columns
        assert table["disk_nbytes"] == tree.compressed_bytes
    assert (table["entries"], table["n_columns"]) == (N_ENTRIES, len(table["columns"]))


def test_show_sizes(run: Run, made: Path) -> None:
    columns = answer(run, "show", "--json", f"{made}:Events", "vector", "jagged", "flag")["columns"]
    vector, jagged, flag = columns
    assert vector["decoded_nbytes"] == N_ENTRIES * 3 * 4
    assert flag["decoded_nbytes"] == N_ENTRIES
    assert jagged["decoded_nbytes"] is None
    assert (jagged["counter"], vector["counter"]) == ("njagged", None)


def test_show_for_people(run: Run, made: Path) -> None:
    result = run("show", f"{made}:Events", "*a*")
    head, titles, *lines = result.stdout.splitlines()
    assert head.startswith(f"{made}: Events (TTree), {N_ENTRIES} entries, ")
    assert titles.split() == ["column", "type", "pages", "disk", "bytes", "codec", "ratio"]
    names = [name for name in [*made_columns(), "njagged"] if "a" in name]
    assert sorted(line.split()[0] for line in lines) == sorted(names)
    assert len({line.index(str(line.split()[-2])) for line in lines if "int64" in line}) == 1


@pytest.mark.parametrize("name", ["nano_dy", "nano_tt_v15", "pfnano"])
def test_show_nanoaod(run: Run, samples: Path, name: str) -> None:
    path = samples / f"{name}.root"
    table = answer(run, "show", "--json", path)
    with uproot.open(path) as file:
        tree = file["Events"]
        assert [each["name"] for each in table["columns"]] == tree.keys()
        for column in table["columns"]:
            branch = tree[column["name"]]
            assert column["title"] == branch.title
            assert column["type"] == str(ak.type(branch.array(entry_stop=1)).content)
            assert column["pages"] == branch.num_baskets


def test_show_names_the_reason(run: Run, testdata: Path) -> None:
    path = testdata / "uproot-HZZ-objects.root"
    table = answer(run, "show", "--json", f"{path}:events")
    broken = [each for each in table["columns"] if "error" in each]
    assert broken
    for each in broken:
        assert each["type"] == "unknown"
        assert len(each["error"]) >= 10
    text = run("show", f"{path}:events").stdout
    assert text.count("cannot be read: ") == len(broken)


@pytest.mark.parametrize("name", ["uproot-nesteddirs", "uproot-histograms", "uproot-HZZ-zlib"])
def test_ls_real_files(run: Run, testdata: Path, name: str) -> None:
    path = testdata / f"{name}.root"
    found = {f"{each['path']};{each['cycle']}": each for each in answer(run, "ls", "--json", path)}
    with uproot.open(path) as file:
        assert {key: each["class"] for key, each in found.items()} == file.classnames()
        for key, each in found.items():
            if each["class"] == "TTree":
                assert each["entries"] == file[key].num_entries


def test_control_characters_stay_in_their_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.root"
    title = "red \x1b[31m, line\n, tab\t, \u00e9\u4e2d"
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "f8"}, title=title).extend({"x": np.zeros(3)})
    text = run("ls", path).stdout
    assert text.count("\n") == 1
    assert "red \\x1b[31m, line\\x0a, tab\\x09, \u00e9\u4e2d" in text
    assert answer(run, "ls", "--json", path)[0]["title"] == title


def test_show_nested(run: Run, nested: Path) -> None:
    table = answer(run, "show", "--json", nested, "jets", "best", "either", "pair._1")
    assert table["format"] == "RNTuple"
    assert (table["entries"], table["n_clusters"]) == (12, 4)
    types = {each["name"]: each["type"] for each in table["columns"]}
    assert types == {
        "jets.pt": "var * float64",
        "jets.hits": "var * var * int64",
        "best": "?float64",
        "either._0": "union * int64",
        "either._1": "union * string",
        "pair._1": "string",
    }
    assert all(each["decoded_nbytes"] is None for each in table["columns"])
    whole = answer(run, "show", "--json", nested)
    assert whole["disk_nbytes"] == sum(each["disk_nbytes"] for each in whole["columns"])
    with uproot.open(nested) as file:
        assert whole["uuid"] == str(file.file.uuid)


def test_damaged_page_list(run: Run, nested: Path, tmp_path: Path) -> None:
    """What the table is, is said all the same."""
    path = tmp_path / "damaged.root"
    with uproot.open(nested) as file:
        group = file["Events"].footer.cluster_group_records[0]
        place = group.page_list_link.locator
    data = bytearray(nested.read_bytes())
    data[place.offset + place.num_bytes // 2] ^= 1
    path.write_bytes(data)
    result = run("show", path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "page list" in result.stderr
    assert "jets.pt" in result.stdout
    table = json.loads(run("show", "--json", path).stdout)
    assert [each["name"] for each in table["columns"]] == [
        each["name"] for each in answer(run, "show", "--json", nested)["columns"]
    ]
    result = run("cat", path, "run")
    assert (result.returncode, result.stdout) == (1, "")
    assert "page list" in result.stderr
