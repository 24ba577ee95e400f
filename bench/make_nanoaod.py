#!/usr/bin/env python3
"""Write a NanoAOD-like TTree of any length, bootstrapped from a small real sample, with ROOT.

Every output event is a randomly drawn event of the template, all of its columns together, so that
counters and indices into other collections stay consistent. Floating-point values are smeared by a
few per cent and rounded to the precision they have in the template, so that the file compresses
about as well as one from a detector; integers are kept, `event` and `luminosityBlock` count up. The
content depends on the template, the number of events and the seed alone.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WRITER_SOURCE = HERE / "nanoaod_writer.hpp"
SAMPLES = HERE.parent / ".cache" / "coffea-samples"
# In order of preference: top pairs are rich in jets, the newest format has the most columns.
PREFERRED_SAMPLES = ("nano_tt_v15.root", "nano_tt_v12.root", "nano_dy.root")
CODECS = {"none": 0, "zlib": 1, "lzma": 2, "lz4": 4, "zstd": 5}  # ROOT's algorithm numbers
DEFAULT_LEVELS = {"none": 0, "zlib": 1, "lzma": 9, "lz4": 4, "zstd": 5}
AUTO_FLUSH = -30_000_000  # ROOT's own default: a cluster is about 30 MB compressed
MAX_TEMPLATE_EVENTS = 10_000
SMEARING = 0.05  # half-width of the uniform relative smearing
CHUNK = 1000  # events between two looks at the clock and at Ctrl-C


@dataclass(frozen=True)
class Parameters:
    """All that decides the content of the file, and so whether an existing one will do."""

    events: int
    template: str
    template_sha256: str
    tree: str
    codec: str
    level: int
    seed: int
    counters: str
    auto_flush: int
    maker_sha256: str


def default_template() -> Path:
    """Find the sample to draw events from.

    Returns
    -------
    pathlib.Path
        ``$LADLE_TEMPLATE`` when it is set, else the best NanoAOD file among coffea's test samples.

    Raises
    ------
    FileNotFoundError
        If the variable names no file, or there are no samples.
    """
    chosen = os.environ.get("LADLE_TEMPLATE")
    candidates = [Path(chosen)] if chosen else [SAMPLES / name for name in PREFERRED_SAMPLES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if chosen:
        raise FileNotFoundError(f"LADLE_TEMPLATE names no file: {chosen}")
    raise FileNotFoundError(
        f"no NanoAOD sample in {SAMPLES}: give one with --template or LADLE_TEMPLATE"
    )


def file_sha256(*paths: Path) -> str:
    """Hash the concatenated bytes of `paths`."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def stamp_path(output: Path) -> Path:
    """Return where the parameters that made `output` are kept."""
    return output.with_name(output.name + ".json")


def read_stamp(output: Path, parameters: Parameters) -> dict[str, Any] | None:
    """Return the report of an earlier run if `output` is there, whole, and was made alike.

    Returns
    -------
    dict or None
        None when the file has to be made: it or its stamp is missing, unreadable or different.
    """
    try:
        stamp = json.loads(stamp_path(output).read_text())
        size = output.stat().st_size
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if stamp.get("parameters") != asdict(parameters) or stamp.get("bytes") != size:
        return None
    return dict(stamp)


@contextlib.contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Give a temporary name next to `output` that becomes `output` when the block succeeds.

    What earlier, killed makers of the same file left behind is removed first.
    """
    for stale in output.parent.glob(f".{output.name}.*.part"):
        match = re.fullmatch(r".*\.(\d+)\.part", stale.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            stale.unlink(missing_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def load_root() -> Any:
    """Import ROOT and compile the writer into it.

    Raises
    ------
    RuntimeError
        If ROOT's interpreter does not take the writer.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*This distribution of ROOT is in alpha")
        root = importlib.import_module("ROOT")
    root.gROOT.SetBatch(True)
    source = "#pragma cling optimize 3\n" + WRITER_SOURCE.read_text()
    if not root.gInterpreter.Declare(source):
        raise RuntimeError(f"ROOT did not compile {WRITER_SOURCE}")
    return root


@contextlib.contextmanager
def plain_errors(root: Any) -> Iterator[None]:
    """Turn an exception of the writer or of ROOT into an `OSError` that says what went wrong.

    Raises
    ------
    OSError
        In place of a C++ ``std::runtime_error``, without the signature PyROOT puts before it.
    """
    try:
        yield
    except root.std.runtime_error as error:
        raise OSError(str(error).rsplit("runtime_error:", 1)[-1].strip()) from error


def usage_of(writer: Any, events: int) -> dict[str, dict[str, float]]:
    """Return bytes per event, raw and compressed, by leaf type letter and in `total`."""
    usage = {
        str(code): {"raw": entry.raw / events, "compressed": entry.compressed / events}
        for code, entry in writer.GetUsage()
    }
    usage["total"] = {
        kind: sum(entry[kind] for entry in usage.values()) for kind in ("raw", "compressed")
    }
    return usage


def compression_settings(parameters: Parameters) -> int:
    """Return ROOT's number for codec and level."""
    return 100 * CODECS[parameters.codec] + parameters.level


def sample_usage(
    root: Any, template: Any, parameters: Parameters, *, drawn: bool
) -> dict[str, dict[str, float]]:
    """Compress as many events as the template has, in memory, and return their `usage_of`.

    The template's own events against as many drawn ones, in baskets of the same size: what the
    smearing does to the compression, apart from what larger baskets do.
    """
    events = int(template.GetEvents())
    memory = root.TMemFile("sample.root", "RECREATE", "", compression_settings(parameters))
    writer = root.nanoaod.Writer(template, memory, parameters.tree, 0, parameters.seed, SMEARING)
    writer.Fill(events, drawn)
    writer.Finish()
    usage = usage_of(writer, events)
    memory.Close()
    return usage


def show_progress(done: int, total: int, started: float) -> None:
    """Write one line that overwrites itself; only for a person at a terminal."""
    if sys.stderr.isatty():
        rate = done / max(time.perf_counter() - started, 1e-9)
        end = "\n" if done == total else ""
        print(f"\r{done:>12,} of {total:,} events, {rate:,.0f}/s ", end=end, file=sys.stderr)


def write_tree(root: Any, path: Path, parameters: Parameters) -> dict[str, Any]:
    """Write the tree to `path` and return what is worth knowing about it.

    Returns
    -------
    dict
        ``columns``, ``template_events``, ``unsupported`` (names left out), ``seconds``, and the
        bytes per event of the file and of both samples (see `sample_usage`).

    Raises
    ------
    OSError
        If the file cannot be created; the writer's own errors come as ROOT raises them.
    """
    template = root.nanoaod.Template(parameters.template, parameters.tree, MAX_TEMPLATE_EVENTS)
    if parameters.counters == "shared":
        template.ShareCounters()
    samples = {
        name: sample_usage(root, template, parameters, drawn=drawn)
        for name, drawn in (("template_events", False), ("drawn_events", True))
    }
    started = time.perf_counter()
    # The option keeps dates and the UUID out of the bytes: the same call makes the same file.
    file = root.TFile.Open(
        f"{path}?reproducible=nanoaod", "RECREATE", "", compression_settings(parameters)
    )
    if not file or file.IsZombie():
        raise OSError(f"cannot create {path}")
    writer = root.nanoaod.Writer(
        template, file, parameters.tree, parameters.auto_flush, parameters.seed, SMEARING
    )
    for first in range(0, parameters.events, CHUNK):
        count = min(CHUNK, parameters.events - first)
        writer.Fill(count, True)
        show_progress(first + count, parameters.events, started)
    writer.Finish()
    usage = usage_of(writer, max(parameters.events, 1))
    columns = len(template.columns)
    file.Close()
    return {
        "columns": columns,
        "template_events": int(template.GetEvents()),
        "unsupported": [str(name) for name in template.unsupported],
        "seconds": round(time.perf_counter() - started, 2),
        "bytes_per_event": {"output": usage, **samples},
    }


def write_rntuple(root: Any, source: Path, path: Path, parameters: Parameters) -> dict[str, Any]:
    """Convert the tree of `source` to an RNTuple of the same name in `path`, with ROOT's importer.

    Returns
    -------
    dict
        ``seconds`` that it took. The importer's errors come as ROOT raises them.
    """
    started = time.perf_counter()
    importer = root.Experimental.RNTupleImporter.Create(
        os.fspath(source), parameters.tree, os.fspath(path)
    )
    options = importer.GetWriteOptions()
    options.SetCompression(compression_settings(parameters))
    importer.SetWriteOptions(options)
    importer.SetIsQuiet(True)
    importer.Import()
    return {"seconds": round(time.perf_counter() - started, 2)}


def finish(output: Path, parameters: Parameters, report: dict[str, Any]) -> dict[str, Any]:
    """Write the stamp of `output` and return it."""
    stamp = {
        "file": os.fspath(output),
        "parameters": asdict(parameters),
        "bytes": output.stat().st_size,
        **report,
    }
    with whole_file(stamp_path(output)) as temporary:
        temporary.write_text(json.dumps(stamp, indent=1) + "\n")
    return stamp


def make(
    output: Path, parameters: Parameters, *, rntuple: bool = False, force: bool = False
) -> list[dict[str, Any]]:
    """Make `output` and, on request, its RNTuple twin, unless they are there already.

    Returns
    -------
    list of dict
        The stamps, with ``made`` telling whether the file was written by this call.
    """
    stamps = []
    root = None
    stamp = None if force else read_stamp(output, parameters)
    made = stamp is None
    if stamp is None:
        output.parent.mkdir(parents=True, exist_ok=True)
        root = load_root()
        with whole_file(output) as temporary, plain_errors(root):
            report = write_tree(root, temporary, parameters)
        stamp = finish(output, parameters, report)
    stamps.append({**stamp, "made": made})
    if rntuple:
        twin = output.with_name(f"{output.stem}_rntuple{output.suffix}")
        twin_stamp = None if made else read_stamp(twin, parameters)
        twin_made = twin_stamp is None
        if twin_stamp is None:
            root = root or load_root()
            with whole_file(twin) as temporary, plain_errors(root):
                report = write_rntuple(root, output, temporary, parameters)
            twin_stamp = finish(twin, parameters, report)
        stamps.append({**twin_stamp, "made": twin_made})
    return stamps


def describe(stamp: dict[str, Any]) -> str:
    """Say in a few lines what a stamp holds."""
    lines = [
        f"{stamp['file']}: {stamp['bytes'] / 1e6:.1f} MB"
        + (f", written in {stamp['seconds']} s" if stamp["made"] else ", already there")
    ]
    if "columns" in stamp:
        lines.append(f"{stamp['parameters']['events']:,} events, {stamp['columns']} columns")
        usage = stamp["bytes_per_event"]
        lines.append(f"{'bytes/event':<12}{'raw':>10}{'file':>10}{'template':>10}{'drawn':>10}")
        for code, entry in usage["output"].items():
            lines.append(
                f"{code:<12}{entry['raw']:>10.1f}{entry['compressed']:>10.1f}"
                f"{usage['template_events'][code]['compressed']:>10.1f}"
                f"{usage['drawn_events'][code]['compressed']:>10.1f}"
            )
        if stamp["unsupported"]:
            lines.append(
                "left out, of a kind this maker does not write: " + ", ".join(stamp["unsupported"])
            )
    return "\n".join(lines)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("output", type=Path, metavar="OUT.root")
    parser.add_argument("--events", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FILE.root",
        help="default: $LADLE_TEMPLATE, or one of coffea's samples",
    )
    parser.add_argument("--tree", default="Events", help="default: %(default)s")
    parser.add_argument(
        "--codec", choices=sorted(CODECS), default="zstd", help="default: %(default)s"
    )
    parser.add_argument(
        "--level",
        type=int,
        choices=range(10),
        metavar="0-9",
        help="default: zstd 5, lzma 9, zlib 1, lz4 4",
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--counters",
        choices=("shared", "template"),
        default="template",
        help="shared: where every jagged column has a counter of its own, as "
        "uproot writes it, use the collection's, as CMS does",
    )
    parser.add_argument(
        "--autoflush",
        type=int,
        default=AUTO_FLUSH,
        metavar="N",
        help="a cluster: N events, or -N bytes; default: %(default)s",
    )
    parser.add_argument("--rntuple", action="store_true", help="make OUT_rntuple.root as well")
    parser.add_argument("--force", action="store_true", help="make it even if it is there")
    parser.add_argument("--json", action="store_true", help="print the stamps as JSON")
    options = parser.parse_args(arguments)
    if options.events < 0 or options.seed < 0:
        parser.error("--events and --seed must not be negative")
    if options.codec != "none" and options.level == 0:
        parser.error("level 0 is no compression: say --codec none")
    if options.codec == "none" and options.level:
        parser.error("--codec none has no level")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 when the template or the disk is at fault, 2 when the call is."""
    options = parse_arguments(arguments)
    try:
        template = (options.template or default_template()).resolve(strict=True)
    except FileNotFoundError as error:
        print(f"make_nanoaod: {error}", file=sys.stderr)
        return 2
    level = DEFAULT_LEVELS[options.codec] if options.level is None else options.level
    parameters = Parameters(
        events=options.events,
        template=os.fspath(template),
        template_sha256=file_sha256(template),
        tree=options.tree,
        codec=options.codec,
        level=level,
        seed=options.seed,
        counters=options.counters,
        auto_flush=options.autoflush,
        maker_sha256=file_sha256(Path(__file__), WRITER_SOURCE),
    )
    try:
        stamps = make(options.output, parameters, rntuple=options.rntuple, force=options.force)
    except OSError as error:
        print(f"make_nanoaod: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(stamps, indent=1))
    else:
        print("\n".join(describe(stamp) for stamp in stamps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
