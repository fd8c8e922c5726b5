"""What a training needs and costs on accelerators that are not here: compiled, never run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reid_jax.console import Bar, say
from reid_jax.errors import UserError
from reid_jax.fields import left_open
from reid_jax.files import atomic_write, check_destinations, write_text
from reid_jax.plan.accelerators import Accelerator, accelerator
from reid_jax.plan.answer import Request, answer
from reid_jax.plan.compilers import check_compilers
from reid_jax.plan.process import in_process
from reid_jax.plan.programs import What, check_ranked
from reid_jax.platforms import COMPILERS
from reid_jax.questions import question_named
from reid_jax.reporting.table import Table
from reid_jax.training.config import AUTO
from reid_jax.training.config_file import to_json
from reid_jax.training.norm_parts import check_norm_parts, choose_norm_parts
from reid_jax.training.parallel import check_shared

_IMAGINED = {"EmbeddingConfig": (1000, 4), "": (40, 470)}  # individuals and photos of each
_GALLERY, _QUERIES = 100_000, 10_000
# Nothing is run, least of all on the device that is compiled for.
_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # there is no device that two could want
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "REID_JAX_ONEDNN": "0",
    COMPILERS: "1",
}


@dataclass(frozen=True)
class Question:
    """What is to be planned.

    Attributes:
      device: an accelerator's name.
      devices: numbers of them, a row each.
      what: a training step, or one call of the others.
      identities: training individuals, or videos; None for those of the data, or 1,000.
      photos: of the training set, or frames; None for those of the data, or four an individual.
      gallery, queries: of an evaluation or a search; None for 100,000 and 10,000.
      largest_batch: whether to look for it.
      explain: whether to say where the traffic goes.
      decode_rate: photos a second that one core of the host decodes; None for this machine's.
      cores: of all hosts together; 0 leaves the host out.
    """

    device: str
    devices: tuple[int, ...]
    what: What = "step"
    identities: int | None = None
    photos: int | None = None
    gallery: int | None = None
    queries: int | None = None
    largest_batch: bool = False
    explain: bool = False
    decode_rate: float | None = None
    cores: int = 0


def plan(config: Any, asked: Question) -> list[dict[str, Any]]:
    """A row for each number of devices; see `reid_jax.plan.answer` for what stands in it.

    Raises:
      UserError: there is no such device, the batch cannot be shared, nothing fits, the compilers
        are not installed; before anything is compiled where that can be seen.
    """
    chip = accelerator(asked.device)
    for count in asked.devices:
        chip.check(count)
    _check(asked)
    if config.data.batch_size == AUTO:
        raise UserError(
            "data.batch_size is auto; give a number, and --largest-batch says what would fit."
        )
    check_compilers(chip.kind)
    config, individuals, photos, origin = _sizes(config, asked)
    experiment = question_named(type(config).__name__).imagined(config, individuals, photos)
    if asked.what == "step":
        _check_batch(config, asked.devices, experiment.shared_unit)
    elif asked.what != "embed":
        check_ranked(experiment)
    rate = 0.0
    if asked.cores:
        one = asked.decode_rate or _decode_rate(config)
        rate = one * asked.cores
    rows = []
    for count in asked.devices:
        request = Request(
            config=to_json(config),
            device=chip.key,
            devices=count,
            what=asked.what,
            individuals=individuals,
            photos=photos,
            gallery=asked.gallery or _GALLERY,
            queries=asked.queries or _QUERIES,
            largest=asked.largest_batch,
            explain=asked.explain,
            input_rate=rate,
        )
        machine = f"{count:,} x {chip.name}"
        say(f"compiling for {machine}, which takes up to some minutes ...")
        with Bar(f"compiling for {machine}", None) as bar, bar.waiting():
            row = in_process(
                answer.__module__,
                answer.__name__,
                {"request": asdict(request)},
                _ENVIRONMENT,
                machine,
            )
        row["unit"] = _unit(config, asked.what)
        row["assumptions"] = _assumptions(chip, row, origin, rate)
        rows.append(row)
    return rows


def _check(asked: Question) -> None:
    """Refuses numbers that make no sense, and those that would change nothing."""
    least = {"identities": 1, "photos": 1, "gallery": 1, "queries": 1, "cores": 0}
    for name, number in least.items():
        if (given := getattr(asked, name)) is not None and given < number:
            raise UserError(f"--{name} is {given}; it must be {number} or more.")
    rate = asked.decode_rate
    if rate is not None and not 0 < rate < math.inf:
        raise UserError(f"--decode-rate is {rate:g}; it must be above 0.")
    ranks = asked.what in ("evaluate", "search")
    unused = {
        "--gallery": asked.gallery is not None and not ranks,
        "--queries": asked.queries is not None and not ranks,
        "--largest-batch": asked.largest_batch and ranks,
        "--decode-rate without --cores": rate is not None and not asked.cores,
    }
    for name, given in unused.items():
        if given:
            raise UserError(f"{name} changes nothing of --what {asked.what}; leave it out.")


def _check_batch(config: Any, devices: Sequence[int], unit: int) -> None:
    """Refuses a batch that one of the numbers of devices cannot share."""
    for count in devices:
        check_shared(config.data.batch_size, count, unit, "data.batch_size")
        check_norm_parts(choose_norm_parts(config, count))


def _sizes(config: Any, asked: Question) -> tuple[Any, int, int, str]:
    """The configuration as it can be planned, individuals, photos, and where these are from."""
    kind = type(config).__name__
    question = question_named(kind)
    # A linear start is found without a step, a batch is said to be open elsewhere.
    if undecided := left_open(config).keys() - {"model.ridge", "data.batch_size"}:
        raise UserError(f"{min(undecided)} is auto; say what it is to be.")
    there = getattr(config.data, "source", getattr(config.data, "path", ""))
    if asked.identities is None and there and not str(there).startswith("synthetic"):
        question.check(config)
        config, data = question.load_data(question.complete(config), Path())
        return (*_of_data(config, data), "from the data")
    individuals, each = _IMAGINED.get(kind, _IMAGINED[""])
    if hasattr(config.data, "source"):
        config = replace(config, data=replace(config.data, source=there or "synthetic:8x4"))
        question.check(config)
        config = question.complete(config)
        each = max(each, config.data.photos_per_identity)
    individuals = asked.identities or individuals
    photos = asked.photos or individuals * each
    if photos < individuals:
        raise UserError(
            f"--photos is {photos:,}, fewer than one for each of {individuals:,} --identities."
        )
    return config, individuals, photos, "as given" if asked.identities else "assumed"


def _of_data(config: Any, data: Any) -> tuple[Any, int, int]:
    if hasattr(config.data, "source"):
        dataset, splits = data
        labels = dataset.labels[splits.train]
        return config, len(set(labels.tolist())), len(labels)
    train = data.train
    frames = sum(len(getattr(each, "picks", getattr(each, "segments", ()))) for each in train)
    return config, len(train), frames


def _decode_rate(config: Any) -> float:
    """Photos a second that one core here decodes: JPEG of 1,024 x 768, to the network's size."""
    import io

    import numpy as np
    from PIL import Image

    from reid_jax.data.photos.images import read_image

    pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((1024, 768)).save(buffer, "JPEG", quality=90)
    begun, number = time.perf_counter(), 0
    while time.perf_counter() - begun < 1.0:
        read_image(io.BytesIO(buffer.getvalue()), getattr(config.data, "image_size", 224), 3)
        number += 1
    return number / (time.perf_counter() - begun)


def _assumptions(chip: Accelerator, row: dict[str, Any], origin: str, rate: float) -> list[str]:
    lines = [] if row["fits"] else [_too_much(row)]
    lines += [
        f"{chip.name}: {chip.source}",
        f"compiled is {row['note']}",
        "step_seconds is a lower bound: the longest of products, traffic and exchanges at the "
        "published rates, as if they ran beside each other",
        "memory_bytes does not count the workspaces of convolutions",
    ]
    if row["what"] in ("step", "embed"):
        whose = "videos" if row["unit"] == "clips" else "individuals"
        lines.append(f"{row['individuals']:,} {whose}, {origin}")
    if row["devices"] > 1:
        links = chip.links
        lines.append(
            f"exchanges: {links.fast / 1e9:g} GB/s one way among {links.group} devices, "
            f"{links.slow / 1e9:g} GB/s a device beyond, {links.seconds * 1e6:g} us to start for "
            "each doubling"
        )
        lines.append("GFLOP are of all devices together, the other numbers of each of them")
    if rate:
        lines.append(f"the hosts make {rate:,.0f} photos a second")
    if row["unknown_loops"]:
        lines.append(
            f"counted once, their trips are not in the program: {', '.join(row['unknown_loops'])}"
        )
    return lines


def _too_much(row: dict[str, Any]) -> str:
    given, made = row["argument_bytes"] / 1e9, row["temporary_bytes"] / 1e9
    if row["what"] == "evaluate":
        why = "take a smaller --gallery"
    elif row["what"] == "search":
        why = "take more devices or a smaller --gallery"
    else:
        kept = "parameters, moments and resident data"
        larger = "what the step makes" if made > given else kept
        fits = "--largest-batch says what would fit"
        if row["largest_batch"]:
            fits = f"a batch of {row['largest_batch']:,} would fit"
        why = f"too large is {larger}; {fits}"
    return (
        f"{row['devices']:,} x {row['device']}: does not fit into "
        f"{row['memory_of_device'] / 1e9:.0f} GB: {given:.2f} are given and {made:.2f} made "
        f"meanwhile; {why}"
    )


def as_table(rows: Sequence[dict[str, Any]]) -> Table:
    """A line for each number of devices."""
    largest = any(row["largest_batch"] for row in rows)
    head = ["devices", "batch", "GB", "GFLOP", "GB moved", "kernels", "exchanges", "ms"]
    head.append(f"{rows[0]['unit']}/s")
    lines = []
    for row in rows:
        line = [
            f"{row['devices']:,}",
            f"{row['batch']:,}",
            _giga(row["memory_bytes"]) + ("" if row["fits"] else " (too much)"),
            f"{row['flops'] / 1e9:,.0f}",
            _giga(row["hbm_bytes"]),
            f"{row['kernels']:,.0f}",
            f"{sum(each['number'] for each in row['collectives']):,.0f}",
            f"{1e3 * row['step_seconds']:.2f}",
            f"{row['photos_per_second']:,.0f}",
        ]
        if largest:
            line.append(f"{row['largest_batch']:,}" if row["largest_batch"] else "none")
        lines.append([*line, row["bound"]])
    more = ["largest batch"] if largest else []
    return Table([*head, *more, "bound"], lines, "r" * (len(head) + len(more)) + "l")


def _unit(config: Any, what: What) -> str:
    """What the rate counts."""
    if what in ("evaluate", "search"):
        return "queries"
    return "photos" if hasattr(config.data, "source") else "clips"


def _giga(number: float) -> str:
    """In units of 10^9; a small network's are below a hundredth."""
    return f"{number / 1e9:.2f}" if number >= 1e7 else f"{number / 1e9:.2g}"


def groups_table(row: dict[str, Any]) -> Table:
    """The heaviest groups of kernels."""
    return Table(
        ["layer", "kind", "kernels", "GB", "share"],
        [
            [
                each["layer"] or "elsewhere",
                each["kind"],
                f"{each['kernels']:,.0f}",
                f"{each['bytes'] / 1e9:.2f}",
                f"{each['share']:.1%}",
            ]
            for each in row["groups"]
        ],
        "llrrr",
    )


def plan_and_report(
    config: Any, asked: Question, json_file: Path | None, plot: Path | None, *, name: str = ""
) -> None:
    """Prints the plan, and writes what files were asked for; `name` is the configuration's.

    Raises:
      UserError: see `plan`.
    """
    check_destinations(json_file, plot)
    rows = plan(config, asked)
    print(as_table(rows).as_text())
    if asked.explain:
        print(f"where the traffic of {rows[-1]['devices']:,} x {rows[-1]['device']} goes")
        print(groups_table(rows[-1]).as_text())
    for line in dict.fromkeys(line for row in rows for line in row["assumptions"]):
        print(f"  {line}")
    if json_file is not None:
        write_text(json_file, json.dumps(_as_json(rows, name), indent=1) + "\n")
    if plot is not None:
        draw(rows, plot)


def _as_json(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    import jax

    made = {"config": name, "date": datetime.now(UTC).date().isoformat(), "jax": jax.__version__}
    return [row | made for row in rows]


def draw(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Photos a second over the number of devices, beside perfect scaling."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    devices = [row["devices"] for row in rows]
    rates = [row["photos_per_second"] for row in rows]
    axes.plot(devices, rates, marker="o", label="at most")
    perfect = [rates[0] / devices[0] * count for count in devices]
    axes.plot(devices, perfect, linestyle=":", color="grey", label="devices times the first")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(devices, [f"{count:,}" for count in devices])
    axes.set_xlabel(f"devices: {accelerator(rows[0]['device']).name}")
    axes.set_ylabel(f"{rows[0]['unit']} a second, at most")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_write(file) as handle:
        figure.savefig(handle, format="png", dpi=130)
