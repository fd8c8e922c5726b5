"""Suite ``step``: a whole training step beside PyTorch's.

Augmentation (a random resized crop and a mirror image for each photo), network, batch-hard triplets
or ArcFace, gradient, SGD with Nesterov momentum. The photos are on the device, as uint8. On a GPU
the networks run in bfloat16. The loss of the first batch, in float32 and not augmented, is compared
with the peer's for the same weights.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.compilations import program_memory
from reid_jax.hlo import read_hlo
from reid_jax.individuals.task import EmbeddingTask
from reid_jax.ops.convolution.compilation import compiler_options
from reid_jax.plan.case import Case, configuration, make_batch, make_step, make_task
from reid_jax.plan.measure import Measurement, device_name, measure
from reid_jax.plan.operations import operations_of
from reid_jax.plan.program import Program, count
from reid_jax.plan.roofline import Work, attainable_seconds, ceilings
from reid_jax.training.parallel import make_layout
from reid_jax.weights.convert import tensors_from_variables
from scripts.bench.beside import difference, run_peer
from scripts.bench.report import make_row

_CPU = (
    Case("small_cnn", 28, 1, "triplet", 128),
    Case("resnet18", 96, 3, "arcface", 32),
    Case("mobilenet_v2", 96, 3, "arcface", 32),
    Case("resnet50", 224, 3, "arcface", 8),
    Case("efficientnet_b0", 224, 3, "arcface", 8),
)
_ELSEWHERE = (  # the most telling first, should time end
    Case("resnet50", 224, 3, "arcface", 256),
    Case("efficientnet_b0", 224, 3, "arcface", 256),
    Case("resnet18", 96, 3, "arcface", 512),
    Case("small_cnn", 28, 1, "triplet", 1024),
    Case("mobilenet_v2", 96, 3, "arcface", 512),
)


def run(
    cases: tuple[Case, ...] | None = None, *, peer: bool = False, repeats: int = 7
) -> Iterable[dict[str, Any]]:
    """A row a case, when it is measured."""
    if cases is None:
        cases = _CPU if jax.default_backend() == "cpu" else _ELSEWHERE
    return (_row(case, peer=peer, repeats=repeats) for case in cases)


def first_loss(case: Case, params: Any, model_state: Any) -> float:
    """The loss that the peer must find as well: float32, no augmentation."""
    task = make_task(case, dtype=jnp.float32, augmented=False)

    @jax.jit
    def mean(params: Any, model_state: Any, batch: Mapping[str, Any]) -> jax.Array:
        terms, _ = task.loss(params, model_state, batch, jax.random.key(0), None)
        (term,) = terms.values()
        return term.total / jnp.maximum(term.number, 1.0)

    with jax.default_matmul_precision("highest"):
        return float(mean(params, model_state, make_batch(case, 0)))


def _row(case: Case, *, peer: bool, repeats: int) -> dict[str, Any]:
    cpu = jax.default_backend() == "cpu"
    dtype = jnp.float32 if cpu else jnp.bfloat16
    task = make_task(case, dtype=dtype, augmented=True)
    params, model_state = task.init(jax.random.key(0), make_batch(case, 0))
    weights = tensors_of(case, params, model_state)
    loss = first_loss(case, params, model_state) if peer else float("nan")
    network = _time_network(case, task, params, model_state, repeats)
    ours, attainable, counted = _time_step(case, task, params, model_state, repeats)
    theirs = None
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.npz"
            np.savez(path, **weights)  # type: ignore[arg-type]
            config = configuration(case)
            arguments = {
                "backbone": case.backbone,
                "loss": case.loss,
                "crop": config.augment.crop,
                "rate": config.optimizer.learning_rate,
                "momentum": config.optimizer.momentum,
                "weights": str(path),
            }
            make = lambda seed: make_batch(case, seed)  # noqa: E731
            theirs = run_peer("step", arguments, make, repeats=repeats, timeout=900.0)
    share = 1.0 - network.seconds / ours.seconds
    row = make_row(
        "step",
        str(case),
        ours,
        theirs,
        attainable=attainable,
        loss_difference=difference([loss], theirs) if theirs else None,
        note=f"{share:.1%} of the step is not the network",
    )
    row |= {"share_not_network": share, "images_per_second": case.batch / ours.seconds}
    row |= {"kernels": counted.number_of_kernels, "hbm_bytes": counted.hbm_bytes}
    return row | planned(case, ours.seconds)


def planned(case: Case, seconds: float) -> dict[str, Any]:
    """What `reid-jax plan` foretold of this step on one such device, and the share of it.

    PLAN in the environment names the file, made beforehand; without one, or without this device
    or step in it, nothing.
    """
    file = Path(os.environ.get("PLAN", ""))
    rows = json.loads(file.read_text()) if file.is_file() else []
    kind = device_name().lower()
    for row in rows:
        same = row["batch"] == case.batch and row["config"].endswith(case.backbone.split("_cnn")[0])
        if same and row["device"] in kind:
            bound = row["step_seconds"]
            told = {"planned_seconds": bound, "share_of_plan": bound / seconds}
            return told | {f"planned_{name}": row[name] for name in ("kernels", "hbm_bytes")}
    return {}


def _time_step(
    case: Case, task: EmbeddingTask, params: Any, model_state: Any, repeats: int
) -> tuple[Measurement, float, Program]:
    layout = make_layout("single")
    params, model_state = jax.tree.map(jnp.copy, (params, model_state))  # donated below
    state, function = make_step(case, task, params, model_state, layout)
    batch = layout.divide(make_batch(case, 0), 0)
    traced = function.trace(state, {}, batch)
    operations = operations_of(traced.jaxpr, "cuda").total  # convolutions as such
    started = time.perf_counter()
    compiled = traced.lower().compile()
    compiling = time.perf_counter() - started
    current = [state]

    def call(batch: Any) -> Any:
        current[0], metrics = compiled(current[0], {}, batch)
        return current[0], metrics

    measured = _measure(call, case, repeats, keep=lambda result: float(result[1]["loss"][0]))
    memory, held = compiled.memory_analysis(), program_memory(compiled, inputs=False)
    # What must pass the memory at least; what XLA counts includes what stays in caches.
    read_and_written = memory.argument_size_in_bytes + memory.output_size_in_bytes
    limit = ceilings("float32" if jax.default_backend() == "cpu" else "bfloat16")
    return (
        Measurement(measured.seconds, measured.spread, held, compiling, measured.results),
        attainable_seconds(Work(operations, read_and_written), limit),
        count(read_hlo(compiled.as_text()), 1),
    )


def _time_network(
    case: Case, task: EmbeddingTask, params: Any, model_state: Any, repeats: int
) -> Measurement:
    """Forward and backward pass of the network alone, on photos that are ready for it."""

    @partial(jax.jit, compiler_options=compiler_options())
    def gradient(params: Any, images: jax.Array) -> Any:
        def total(params: Any) -> tuple[jax.Array, Any]:
            outputs, updated = task.net.apply(
                {"params": params, **model_state}, images, train=True, mutable=list(model_state)
            )
            return jnp.sum(outputs["embedding"] * outputs["embedding"][:, ::-1]), updated

        return jax.value_and_grad(total, has_aux=True)(params)

    def call(batch: Any) -> Any:
        return gradient(params["net"], batch)

    def ready(batch: Mapping[str, Any]) -> jax.Array:
        return jnp.asarray(batch["image"], jnp.float32) / 127.5 - 1.0

    return _measure(call, case, repeats, keep=lambda _: None, prepare=ready)


def _measure(
    call: Any, case: Case, repeats: int, *, keep: Any, prepare: Any = jax.device_put
) -> Measurement:
    return measure(call, lambda seed: prepare(make_batch(case, seed)), repeats=repeats, keep=keep)


def tensors_of(case: Case, params: Any, model_state: Any) -> dict[str, np.ndarray]:
    """The weights by the names of the peer's network, and the class centres."""
    statistics = model_state["batch_stats"]["backbone"]
    backbone = params["net"]["backbone"]
    if case.backbone == "small_cnn":
        tensors = {}
        for name, leaves in backbone.items():
            for key, value in leaves.items():
                kernel = key == "kernel"
                torch_name = f"{name}.{'bias' if key == 'bias' else 'weight'}"
                tensors[torch_name] = np.transpose(value, (3, 2, 0, 1)) if kernel else value
    else:
        variables = {"params": backbone, "batch_stats": statistics}
        tensors = dict(tensors_from_variables(case.backbone, variables))
    if "centers" in params["objective"]:
        centers = params["objective"]["centers"]
        tensors["centers"] = centers.reshape(len(centers), -1)
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}
