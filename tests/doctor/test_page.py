"""The report page in a real browser: what it shows, at both widths and in both colour schemes."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import find_tool
from tests.doctor import pages
from tests.doctor.browser import Browser
from tests.doctor.metered import build_folder
from tests.doctor.words import SHARES

MB = pages.MB
VIEWS = [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]

Open = Callable[..., Browser]

#: Texts whose contrast with what is behind them is too low (WCAG AA), with the ratio.
LOW_CONTRAST = """(() => {
    const channels = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
    const luminance = (color) => {
        const [r, g, b] = color.slice(0, 3).map((value) => {
            const x = value / 255;
            return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = channels(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) {
                return color;
            }
        }
        throw new Error("nothing is behind " + element.outerHTML);
    };
    const low = [];
    let texts = 0;
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) {
            continue;
        }
        ++texts;
        const style = getComputedStyle(element);
        const color = channels(element.closest("svg") ? style.fill : style.color);
        const pair = [luminance(color), luminance(behind(element))];
        const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (ratio < 4.5) {
            low.push([walker.currentNode.data, ratio]);
        }
    }
    return [texts, low];
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()
    assert not Path(browser.profile).exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of a report of pages.py by name, made once."""
    folder = tmp_path_factory.mktemp("pages")

    def page(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_bytes(pages.page_of(pages.REPORTS[name]()))
        return path

    return page


@pytest.fixture
def show(browser: Browser, made: Callable[[str], Path], tmp_path: Path) -> Open:
    """Open the page of a report, by name or as it is; nothing may go wrong while it is drawn."""

    def open_page(
        report: str | pages.Report | bytes, width: int = 1280, scheme: str = "light"
    ) -> Browser:
        if isinstance(report, str):
            path = made(report)
        else:
            path = tmp_path / "report.html"
            path.write_bytes(pages.page_of(report))
        browser.view(width, 900, scheme, touch=width < 500)
        browser.open(path)
        assert browser.problems == []
        requests = [
            event["params"]["request"]["url"]
            for event in browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        assert requests == [path.resolve().as_uri()]
        return browser

    return open_page


def texts(browser: Browser, selector: str) -> list[str]:
    """Text of all elements that match, with plain spaces."""
    found = browser.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.innerText)"
    )
    return [text.replace("\u00a0", " ").strip() for text in found]


def text(browser: Browser, selector: str) -> str:
    (only,) = texts(browser, selector)
    return only


def is_shown(browser: Browser, name: str) -> bool:
    return bool(browser.evaluate(f"document.getElementById({json.dumps(name)}).checkVisibility()"))


@pytest.mark.parametrize("name", pages.REPORTS)
def test_every_page_fits_and_can_be_read(show: Open, name: str) -> None:
    verdict = pages.REPORTS[name]()["verdict"]
    for width, scheme in VIEWS:
        browser = show(name, width, scheme)
        assert text(browser, "h1") == verdict.capitalize()
        # A phone's browser widens its window to what sticks out: compare with the width asked for.
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        n_texts, low = browser.evaluate(LOW_CONTRAST)
        assert n_texts > 5
        assert low == []
        dark = (
            browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
        )
        assert dark == (scheme == "dark")


def test_head_says_what_is_wrong_and_what_to_do(show: Open) -> None:
    browser = show("leak")
    report = pages.leak()
    assert text(browser, "#sentence") == report["sentence"]
    assert text(browser, "#cure") == "Cure " + report["cure"]
    assert browser.evaluate("document.title") == "Leak – ladle doctor"  # noqa: RUF001
    facts = dict(zip(texts(browser, "#facts dt"), texts(browser, "#facts dd"), strict=True))
    assert facts["command"] == "./reco --events 1000000 input.root"
    assert facts["ended"] == "with status 137 after 3.33 min, killed by SIGKILL"
    assert facts["platform"].startswith("Linux 6.1.0 x86_64, glibc 2.36, 8 processors, 33.6 GB")
    assert "1.9 MB a second, 6840 MB an hour" in text(browser, "#chart-caption")
    assert not is_shown(browser, "trial")
    assert not is_shown(browser, "map")
    assert text(browser, "#more").endswith("--map draws the heap page by page.")


def points_of(browser: Browser, selector: str) -> list[list[tuple[float, float]]]:
    """Corners of all polygons or lines that match."""
    found = browser.evaluate(
        f"""[...document.querySelectorAll({json.dumps(selector)})]
        .map((each) => each.getAttribute('points'))"""
    )
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]
        for points in found
    ]


def megabytes_at(browser: Browser, y: float) -> float:
    """What the axis says of a height in the drawing."""
    ticks = browser.evaluate(
        """[...document.querySelectorAll("#chart text[text-anchor=end]")]
        .filter((each) => /^[0-9,]+$/.test(each.textContent))
        .map((each) => [each.textContent.replace(",", ""), each.getAttribute("y") - 4])"""
    )
    (first, low_y), (last, high_y) = ticks[0], ticks[-1]
    low, high = float(first), float(last)
    return float(low + (y - low_y) / (high_y - low_y) * (high - low))


def test_shares_are_stacked_to_rss(show: Open) -> None:
    report = pages.fragmentation()
    split = report["processes"][0]["split"]
    for width in (1280, 375):
        browser = show("fragmentation", width)
        drawn = browser.evaluate(
            "[...document.querySelectorAll('polygon.band')].map((each) => each.dataset.share)"
        )
        assert drawn == [name for name in SHARES if any(split[name])]
        bands = points_of(browser, "polygon.band")
        (total,) = points_of(browser, "polyline.total")
        floor = np.array([(x, bands[0][-1][1]) for x, _ in total])
        for band in bands:
            ceiling, low = np.split(np.array(band), 2)
            assert low[::-1] == pytest.approx(floor, abs=0.11)
            floor = ceiling
        assert floor == pytest.approx(np.array(total), abs=0.11)
        peak_y = browser.evaluate("Number(document.querySelector('.peak-mark').getAttribute('cy'))")
        assert megabytes_at(browser, peak_y) == pytest.approx(1162, rel=0.005)
        assert min(y for _, y in total) == pytest.approx(peak_y, abs=0.1)
        line = browser.evaluate("Number(document.querySelector('.peak-live').getAttribute('y1'))")
        assert megabytes_at(browser, line) == pytest.approx(416, rel=0.005)
    rows = texts(browser, "#legend tr:not(:has(.share-about))")[1:]
    at_peak = dict.fromkeys(SHARES, "0 B") | {
        "live": "416 MB",
        "rounding": "12.0 MB",
        "free, returnable": "340 MB",
        "free, pinned": "312 MB",
        "Python arenas": "33.0 MB",
        "file pages": "40.0 MB",
        "rest": "9.0 MB",
        "resident (RSS)": "1162 MB",
    }
    assert {row.split("\t")[0]: row.split("\t")[1] for row in rows} == at_peak
    assert len(texts(browser, "#legend .share-about")) == len(SHARES)


def test_long_run_is_thinned_out_but_keeps_its_extremes(show: Open) -> None:
    browser = show("long_run")
    (total,) = points_of(browser, "polyline.total")
    assert 400 < len(total) < 2000
    split = pages.long_run()["processes"][0]["split"]
    highest = megabytes_at(browser, min(y for _, y in total))
    assert highest == pytest.approx(max(split["rss"]) / MB, rel=0.005)
    (live, *_) = points_of(browser, "polygon.band")
    assert megabytes_at(browser, min(y for _, y in live)) == pytest.approx(900, rel=0.005)
    lowest = megabytes_at(browser, max(y for _, y in total))
    assert lowest == pytest.approx(min(split["rss"]) / MB, rel=0.01)
    assert text(browser, "#chart-caption").startswith("20,000 samples in 5.56 h.")


def test_cursor_shows_a_sample(show: Open) -> None:
    browser = show("garbage")
    split = pages.garbage()["processes"][0]["split"]
    assert texts(browser, "#chart .tip:not([hidden])") == []
    browser.evaluate("document.querySelector('#chart svg').focus()")
    browser.press("End")
    tip = text(browser, "#chart .tip")
    assert tip.startswith(f"29.8 s: {split['rss'][-1] / MB:.0f} MB")
    assert f"garbage cycles\t{split['garbage cycles'][-1] / MB:.0f} MB" in tip
    browser.press("Home")
    assert text(browser, "#chart .tip").startswith("0 s: 63.0 MB")
    browser.press("Escape")
    assert texts(browser, "#chart .tip:not([hidden])") == []
    browser.evaluate("document.getElementById('chart').scrollIntoView()")
    left, top, width, height = browser.evaluate(
        """(() => { const place = document.querySelector('#chart svg').getBoundingClientRect();
        return [place.left, place.top, place.width, place.height]; })()"""
    )
    # The plot begins 48 to the right and ends 10 before the drawing does.
    browser.point_at(left + 48 + (width - 58) / 2, top + height / 2)
    at = float(text(browser, "#chart .tip").split(" s:")[0])
    assert at == pytest.approx(29.8 / 2, abs=0.21)
    label = browser.evaluate("document.querySelector('#chart svg').getAttribute('aria-valuetext')")
    assert label.replace("\u00a0", " ").startswith(f"at {at:.1f} s: ")


def test_legend_makes_a_share_stand_out(show: Open) -> None:
    browser = show("fragmentation")
    buttons = texts(browser, ".share-button")
    assert buttons == list(SHARES[::-1])
    browser.evaluate(f"document.querySelectorAll('.share-button')[{buttons.index('live')}].focus()")
    clear = "[...document.querySelectorAll('.band:not(.faded)')].map((each) => each.dataset.share)"
    assert browser.evaluate(clear) == ["live"]
    browser.evaluate("document.activeElement.blur()")
    assert len(browser.evaluate(clear)) == 7


def test_trial_is_shown_side_by_side(show: Open) -> None:
    browser = show("fragmentation")
    report = pages.fragmentation()
    assert text(browser, "#advice") == report["advice"]["sentence"]
    expected = [f"export {name}={value}" for name, value in report["advice"]["environment"].items()]
    assert text(browser, "#environment pre").splitlines() == expected
    titles = ["Peak RSS", "RSS at the end", "Live and dead space", "Time"]
    assert texts(browser, "#trial-panels h3") == titles
    names = ["glibc", "glibc-tuned", "mimalloc", "tcmalloc"]
    assert texts(browser, ".bar-name") == names * 4
    assert texts(browser, ".advised .bar-name") == ["glibc-tuned"] * 4
    shown = texts(browser, ".panel:first-child .bar-text")
    assert shown[0] == "1162 MB (1140 MB to 1181 MB)"
    assert shown[1] == "731 MB (702 MB to 760 MB), −37 %"  # noqa: RUF001
    assert texts(browser, ".panel:nth-child(3) .bar-text")[0] == "416 MB live, 652 MB dead"
    widths = browser.evaluate(
        """[...document.querySelectorAll('.panel:first-child :is(.bar, .whisker)')]
        .map((each) => each.getBoundingClientRect().width)"""
    )
    assert widths[2] / widths[0] == pytest.approx(731 / 1162, abs=0.01)
    assert widths[3] / widths[1] == pytest.approx((760 - 702) / (1181 - 1140), abs=0.1)
    (note,) = texts(browser, "#trial-notes li")
    assert "+1 %" in text(browser, "#trial-notes p")
    assert note.startswith("jemalloc was not tried: libjemalloc.so.2 was not found; ")
    assert note.endswith("apt-get install libjemalloc2")


def test_trial_tells_runs_that_went_wrong(show: Open) -> None:
    report = pages.fragmentation()
    report["trial"][1]["why_not"] = "the command brings its own allocator"
    report["trial"][2]["runs"][1] |= {"same_result": False, "status": 139}
    report["trial"][2]["why_not"] = "exit status 139 instead of 0"
    names = ("seconds", "peak_rss", "final_rss", "live", "dead")
    report["trial"][4] |= dict.fromkeys(names) | {"runs": [], "why_not": "it did not load"}
    report["advice"] = {"allocator": None, "sentence": "None: keep glibc.", "environment": {}}
    browser = show(report)
    notes = texts(browser, "#trial-notes li")
    assert notes[0] == "glibc-tuned: the command brings its own allocator"
    assert notes[1] == "mimalloc gave another result in 1 of 3 runs: exit status 139 instead of 0"
    assert notes[3] == "tcmalloc has no figures: it did not load"
    assert text(browser, "#advice") == "None: keep glibc."
    assert not is_shown(browser, "environment")
    assert texts(browser, ".advised") == []


def test_size_classes_are_sorted_and_growth_stands_out(show: Open) -> None:
    browser = show("leak")
    rows = [row.split("\t") for row in texts(browser, "#classes tbody tr")]
    assert [row[0] for row in rows] == ["to 128 B", "to 4 MiB", "to 64 B", "to 1 KiB"]
    assert rows[0][2:] == ["318 MB", "2,484,375", "+188 MB"]
    assert texts(browser, "#classes .grows") == ["+188 MB"]
    widths = browser.evaluate(
        """[...document.querySelectorAll('#classes tr:first-child .cell-bar i')]
        .map((each) => each.getBoundingClientRect().width)"""
    )
    assert widths[1] / sum(widths) == pytest.approx(188 / 318, abs=0.01)
    browser = show("fragmentation")
    assert len(texts(browser, "#classes tbody tr")) == 12
    browser.evaluate("document.querySelector('#classes .more-button').click()")
    shown = [row.split("\t")[2] for row in texts(browser, "#classes tbody tr")]
    assert shown == sorted(shown, key=lambda cell: -float(cell.split()[0]))
    assert len(shown) == 15


def test_small_growth_does_not_stand_out_where_it_is_no_leak(show: Open) -> None:
    report = pages.fragmentation()
    grown = {"limit": 640, "nbytes": 8 * MB, "blocks": 13000, "growth": 7 * MB}
    let_go = {"limit": 1 << 20, "nbytes": 50_000, "blocks": 1, "growth": 40 * MB}
    report["processes"][0]["size_classes"] = [grown, let_go]
    assert texts(show(report), "#classes .grows") == []
    assert text(show(report), "#classes-about").endswith(
        "No class grows much from the middle of the run to its end."
    )
    report["processes"][0]["verdict"] = "leak"
    assert texts(show(report), "#classes .grows") == ["+7.0 MB"]


def test_the_last_class_has_no_limit(show: Open) -> None:
    report = pages.leak()
    report["processes"][0]["size_classes"] = [
        {"limit": 2**63 - 1, "nbytes": 3 * MB, "blocks": 1, "growth": -2 * MB}
    ]
    (row,) = texts(show(report), "#classes tbody tr")
    assert row.split() == ["larger", "3.0", "MB", "1", "−2.0", "MB"]  # noqa: RUF001


def test_stacks_open_and_name_the_caller(show: Open) -> None:
    browser = show("leak")
    callers = ["Track::addHit(Hit const&) reco", "mmap_events libio.so"]
    callers += ["0x55d0c1a2b3f0 reco", "(no frames)"]
    assert texts(browser, ".stack .top-frame") == callers
    assert browser.evaluate("document.querySelectorAll('.stack[open]').length") == 1
    assert text(browser, ".stack[open] .stack-growth") == (
        "312 MB in 2,437,500 blocks, 190 MB more than in the middle of the run."
    )
    frames = texts(browser, ".stack[open] li")
    assert frames[0] == "operator new(unsigned long) libstdc++.so.6"
    assert len(frames) == 6


def test_map_draws_pages_as_they_are(show: Open) -> None:
    report = pages.heap_map(200, 2)
    report["processes"][0]["map"]["regions"] = [
        {"start": "0x10000", "nbytes": 5 * 4096, "kind": "heap", "pages": "X05.9"},
        {"start": "0x90000", "nbytes": 8192, "kind": "mapped", "pages": "XX"},
        {"start": "0xa0000", "nbytes": 4096, "kind": "mapped", "pages": "1"},
    ]
    browser = show(report)
    assert len(texts(browser, ".region canvas")) == 2
    titles = texts(browser, ".region p")
    assert titles[0].startswith("Main heap 0x10000, 20.5 kB: 9.8 kB used, 2.5 kB in holes, ")
    assert titles[1] == "2 smaller regions"
    names = ["live", "pinned", "returnable"]
    colors = browser.evaluate(
        f"""{json.dumps(names)}.map((name) => {{
            const color = getComputedStyle(document.documentElement).getPropertyValue('--' + name);
            return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
        }})"""
    )
    # Three heights in each tile, which are 7 wide and 11 high with 1 between them.
    found = browser.evaluate(
        """[0, 1, 2, 3, 4].map((tile) => [9, 5, 1].map((y) => [...document.querySelector('canvas')
        .getContext('2d').getImageData(8 * tile + 3, y, 1, 1).data]))"""
    )
    live, pinned, returnable = ([*color, 255] for color in colors)
    assert found[0] == [live] * 3
    assert found[1] == [returnable] * 3
    assert found[2][0] == live
    assert found[2][2] == pinned
    assert found[3] == [[0, 0, 0, 0]] * 3
    assert found[4][:2] == [live] * 2
    browser.evaluate("document.querySelector('canvas').focus()")
    for _ in range(4):
        browser.press("ArrowRight")
    assert texts(browser, ".region .tip")[0] == ("0x14000\none page: 3.7 kB used, 410 B in holes")
    browser.evaluate("document.querySelectorAll('canvas')[1].focus()")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    assert texts(browser, ".region .tip")[1].startswith("0xa0000\none page: 410 B used")


def test_large_map_is_drawn_in_tiles_of_many_pages(show: Open) -> None:
    browser = show("heap_map")
    assert text(browser, "#map-controls span") == "A tile: 2 pages, 8 KiB"
    height = "document.getElementById('map-regions').clientHeight"
    before = browser.evaluate(height)
    assert before < 1500
    browser.evaluate("document.querySelectorAll('#map-controls button')[1].click()")
    assert text(browser, "#map-controls span") == "A tile: one page, 4 KiB"
    assert browser.evaluate(height) > 1.5 * before
    assert browser.evaluate("document.querySelectorAll('#map-controls button')[1].disabled")


def test_two_hundred_processes(show: Open) -> None:
    report = pages.many()
    browser = show("many", 375)
    pressed = ".process[aria-pressed=true]"
    assert len(texts(browser, "button.process")) == 9
    assert text(browser, pressed).startswith("1000 python cluster.py")
    facts = dict(zip(texts(browser, "#facts dt"), texts(browser, "#facts dd"), strict=True))
    assert facts["verdict of"] == "process 1000, python cluster.py --workers 199"
    assert facts["processes"].startswith("200, 1 of them not metered; all together had at most ")
    assert not is_shown(browser, "diagnosis")
    browser.evaluate("document.querySelector('#processes .more-button').click()")
    rows = texts(browser, "button.process")
    peaks = sorted(report["processes"], key=lambda each: -each["peak_rss"])
    assert [int(row.split()[0]) for row in rows] == [each["pid"] for each in peaks]
    unmetered = [each["pid"] for each in peaks].index(1004)
    browser.evaluate(f"document.querySelectorAll('button.process')[{unmetered}].click()")
    assert text(browser, pressed).startswith("1004 ")
    assert "static binary" in text(browser, "#diagnosis .bad")
    assert text(browser, "#diagnosis p:first-child").startswith("1004: not metered. Resident")
    assert texts(browser, ".share-button") == ["resident"]
    assert browser.evaluate("document.documentElement.scrollWidth") == 375
    assert browser.problems == []


def test_little_evidence(show: Open) -> None:
    browser = show("single")
    assert text(browser, "#chart-caption").startswith("One sample only")
    assert [len(band) for band in points_of(browser, "polygon.band")] == [4] * 4
    browser = show("nothing")
    assert text(browser, "#chart").startswith("No sample of this process was taken")
    assert texts(browser, "polygon.band") == []
    browser = show({"verdict": "not enough evidence"})
    assert not is_shown(browser, "timeline")


def test_hostile_text_stays_text(show: Open) -> None:
    browser = show("hostile")
    assert browser.evaluate("typeof window.owned") == "undefined"
    assert browser.evaluate("document.images.length") == 0
    assert browser.evaluate("document.scripts.length") == 2
    sentence = text(browser, "#sentence")
    assert sentence.startswith("</script><script>window.owned=1</script> <!--<script> <img src=x")
    assert r"a\u2028b\u2029c\u202ereversed\u202c nul\u0000 escape\u001b[31m" in sentence
    raw = browser.evaluate("document.querySelector('main').textContent")
    assert not set(raw) & set("\x00\x1b\u2028\u2029\u202e")
    browser.evaluate("document.querySelectorAll('button.process')[1].click()")
    browser.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert browser.problems == []
    assert browser.evaluate("document.scripts.length") == 2


@pytest.mark.parametrize(
    "data",
    [b'{"verdict":"leak"', b"", b'{"verdict":"leak","x":NaN}', b'{"verdict":"leak"}\x00'],
)
def test_data_that_are_no_json_are_refused(show: Open, data: bytes) -> None:
    browser = show(data)
    assert text(browser, "h1") == "Not readable"
    assert text(browser, "#sentence").startswith("The data in this page are not complete: ")


def test_bytes_that_are_not_utf8(show: Open) -> None:
    browser = show(b'{"verdict":"leak","sentence":"caf\xe9 \xed\xa0\x80 \xf0\x9f\xa5\x84"}')
    assert text(browser, "#sentence") == "Caf\ufffd \ufffd\ufffd\ufffd \U0001f944."


def test_data_can_be_downloaded(show: Open, tmp_path: Path) -> None:
    browser = show("hostile")
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.evaluate("document.querySelector('#download a').click()")
    path = tmp_path / "ladle-doctor.json"
    deadline = time.monotonic() + 20
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert data == pages.hostile()


def test_page_of_a_real_run(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    program = build_folder() / "tests/doctor/leak"
    result = subprocess.run(
        [find_tool(), "doctor", "--json", "--out", path, "--", program],
        capture_output=True,
        check=True,
    )
    report = json.loads(result.stdout)
    (process,) = report["processes"]
    browser.view(1280, 900, "light")
    browser.open(path)
    assert browser.problems == []
    assert text(browser, "h1") == "Leak"
    # The page has the same object, and draws as many samples as there are.
    assert json.loads(browser.evaluate("document.getElementById('data').textContent")) == report
    (total,) = points_of(browser, "polyline.total")
    assert len(total) == len(process["split"]["rss"]) > 10
    peak_y = min(y for _, y in total)
    assert megabytes_at(browser, peak_y) == pytest.approx(process["peak_rss"] / MB, rel=0.01)
    assert len(texts(browser, "#classes .grows")) == 1
