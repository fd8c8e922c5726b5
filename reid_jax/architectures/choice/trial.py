"""One candidate: trained as any run, judged on what it held out, and what it costs."""

import importlib.util
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.architectures.choice.candidates import Candidate, Field
from reid_jax.console import say
from reid_jax.errors import UserError
from reid_jax.individuals.measures import evaluate_in_detail
from reid_jax.individuals.model import load_run
from reid_jax.questions import question_named, report
from reid_jax.reporting.cost import forward_cost, multiply_adds_of, number_of_parameters
from reid_jax.reporting.measure import OURS
from reid_jax.training import run as driver
from reid_jax.training.config_file import is_run, saved_steps
from reid_jax.training.logging import read_metrics

PROBE = 8  # steps by which a candidate's speed is known
_BATCHES = (1, 8)
_FEW, _MANY = 2, 5  # photos of an individual that is searched in


def configured(field: Field, candidate: Candidate, steps: int, seed: int) -> Any:
    """The configuration of a training to so many steps."""
    config = candidate.of(field.base)
    every = {"log_every": 1, "evaluate_every": steps, "checkpoint_every": steps}
    return replace(config, train=replace(config.train, steps=steps, seed=seed, **every))


def train_to(field: Field, candidate: Candidate, workdir: Path, steps: int, seed: int) -> float:
    """Trains a run, or goes on with it, to so many steps; the seconds that took."""
    started = time.perf_counter()
    config = configured(field, candidate, steps, seed)
    if not (saved := saved_steps(workdir) if is_run(workdir) else []) or saved[-1] < steps:
        say(f"{candidate.name}, seed {seed}: to step {steps:,}")
        driver.train(question_named(type(config).__name__), config, workdir, report=False)
        jax.clear_caches()  # each candidate compiles its own
    return time.perf_counter() - started


def step_seconds(workdir: Path, batch_size: int) -> float:
    """What a step took at the end of a run's training, by its log."""
    for row in reversed(read_metrics(workdir)):
        for name, value in row.items():
            if name.endswith("_per_second") and value:
                return batch_size / value
    raise UserError(f"{workdir} has not logged how fast it trained; remove it and begin anew.")


def validated(workdir: Path, monitor: str) -> float:
    """The best that a run's validations have seen of a measure."""
    found = [row.get(f"validation/{monitor}") for row in read_metrics(workdir)]
    return max((value for value in found if value is not None), default=0.0)


def judged(field: Field, workdir: Path) -> dict[str, Any]:
    """How good a run is on what it held out.

    Returns:
      value: of the field's measure; low, high: its 95% interval over individuals or videos, where
      there is one; others: more measures by name; fails: the measure of parts of what was asked.
    """
    if field.question == "individuals":
        return judged_photos(workdir)
    measures = report(workdir)
    if field.question == "clips":
        return _pairs(measures)
    worst = sorted(measures["per_video"].items(), key=lambda each: each[1]["kendall_users"])
    return {
        "value": measures["kendall_users"],
        "low": measures.get("kendall_users_low"),
        "high": measures.get("kendall_users_high"),
        "others": {"Spearman, annotators": measures["spearman_users"]},
        "fails": {f"video {key}": row["kendall_users"] for key, row in worst[:3]},
    }


def judged_photos(workdir: Path) -> dict[str, Any]:
    """`judged` of a run on photos, without its report."""
    model = load_run(workdir)
    dataset, splits = model.load_data()
    rows = np.union1d(*splits.test)
    photos = dataset.subset(rows)
    query, gallery = (np.searchsorted(rows, each) for each in splits.test)
    metrics, details = evaluate_in_detail(
        model.embed(photos),
        *(photos.labels, query, gallery),
        columns=photos.columns,
        metric=model.task.metric,
        seed=model.config.train.seed,
    )
    right = details.per_query["cmc@1"]
    known = np.bincount(photos.labels[gallery], minlength=photos.labels.max() + 1)
    shown = known[photos.labels[query]] - np.isin(query, gallery)
    parts = {
        f"individuals with {_FEW} other photos or fewer": shown <= _FEW,
        f"individuals with {_MANY} other photos or more": shown >= _MANY,
    }
    if (cameras := photos.columns.get("camera")) is not None:
        for camera in np.unique(cameras[query])[:3]:
            parts[f"camera {camera}"] = cameras[query] == camera
    if (sides := _short_sides(photos.paths[query])) is not None:
        parts["the smaller half of the photos"] = sides <= np.median(sides)
    return {
        "value": metrics["rank1"],
        "low": metrics["rank1_low"],
        "high": metrics["rank1_high"],
        "others": {"mAP": metrics["mAP"], "Pair AUC": metrics.get("roc_auc")},
        "fails": {
            name: float(np.nanmean(right[part])) for name, part in parts.items() if part.any()
        },
    }


def _short_sides(paths: np.ndarray) -> np.ndarray | None:
    """The short side of each photo in pixels, by its header; None where they are no files."""
    from PIL import Image

    found = []
    for path in paths:
        if not Path(str(path)).is_file():
            return None
        with Image.open(str(path)) as image:
            found.append(min(image.size))
    return np.asarray(found)


def _pairs(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    ours = next(row for name, row in results.items() if name == OURS or name not in ("", None))
    return {
        "value": ours["roc_auc"],
        "low": ours.get("roc_auc_low"),
        "high": ours.get("roc_auc_high"),
        "others": {"average precision": ours["average_precision"]},
        "fails": {kind: row["roc_auc"] for kind, row in ours["kinds"].items()},
    }


def costs(field: Field, workdir: Path) -> dict[str, Any]:
    """What a run's network costs here, when it is asked.

    Returns:
      parameters; multiply_adds of one example; ms_1, ms_8: milliseconds of so many examples at
      once; memory: bytes with eight of them; what: an example in words.
    """
    model = question_named(type(field.base).__name__).load(workdir)
    function, inputs, what = _asked(field, model)
    variables = model.params, model.model_state
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (variables, inputs(1)))
    found: dict[str, Any] = {
        "parameters": number_of_parameters(model.params["net"]),
        "multiply_adds": multiply_adds_of(function, *shapes),
        "what": what,
    }
    for batch in _BATCHES:
        cost = forward_cost(function, variables, inputs(batch))
        found[f"ms_{batch}"] = 1e3 * cost.seconds
        found["memory"] = cost.memory
    return found


def _asked(field: Field, model: Any) -> tuple[Any, Any, str]:
    """A function of variables and inputs, inputs by their number, and what one is."""
    task = model.task if field.question != "clips" else _clip_task(model)
    if field.question == "individuals":
        data = model.config.data
        shape = data.embedded_size, data.embedded_size, data.channels
        return (
            lambda variables, images: task.predict(*variables, {"image": images}),
            lambda batch: np.zeros((batch, *shape), np.uint8),
            f"a photo of {shape[0]} pixels",
        )
    if field.question == "keyframes":
        width, frames = len(model.model_state["preparation"]["deviation"]), 256
        return (
            lambda variables, given: task.predict_features(*variables, *given),
            lambda batch: (
                np.zeros((batch, frames, width), np.float32),
                np.ones((batch, frames), bool),
            ),
            f"a video of {frames} frames, as features",
        )
    frames = model.config.data.clip
    return (
        lambda variables, given: task.embed(*variables, *given),
        lambda batch: (
            np.zeros((batch, frames, model.width), np.float32),
            np.ones((batch, frames), bool),
        ),
        f"a clip of {frames} frames, as features",
    )


def _clip_task(model: Any) -> Any:
    from reid_jax.same_video.experiment import make_task

    return make_task(model.config, num_classes=0)


def exported_bytes(field: Field, workdir: Path) -> int | None:
    """The size of the network as an ONNX program; None, and a sentence, where it cannot be made."""
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    model = question_named(type(field.base).__name__).load(workdir)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "program"
        try:
            model.export("onnx", out)
        except (UserError, AttributeError) as error:
            say(f"{workdir.name} is not exported: {error}")
            return None
        return sum(file.stat().st_size for file in out.rglob("*.onnx*"))


def read_json(file: Path) -> dict[str, Any]:
    """What a file of an earlier session holds; nothing where there is none."""
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return found
