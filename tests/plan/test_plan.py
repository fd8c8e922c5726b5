"""What is known of accelerators that are not here: their figures, and programs for them."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from reid_jax import configurations
from reid_jax.errors import UserError
from reid_jax.plan.accelerators import accelerator, accelerators
from reid_jax.plan.bound import bound
from reid_jax.plan.collectives import Collective
from reid_jax.plan.operations import operations_of
from reid_jax.plan.plan import Question, as_table, plan
from reid_jax.platforms import COMPILERS
from reid_jax.questions import question_named
from reid_jax.training.ahead import step_ahead
from reid_jax.training.parallel import make_layout

here = importlib.util.find_spec("jax_plugins") is not None
compiles = pytest.mark.skipif(not here, reason="the extra plan is not installed")


@pytest.mark.parametrize("name", accelerators())
def test_every_device_has_its_figures_and_their_source(name):
    chip = accelerator(name)
    rates = chip.operations_per_second
    assert rates["bfloat16"] >= rates["float32"] > rates["highest"] > 1e12
    assert 1e11 < chip.bytes_per_second < 1e13
    assert 1e10 < chip.memory_bytes < 2e11
    assert chip.links.fast > chip.links.slow
    assert "data sheet" in chip.source or "cloud.google.com" in chip.source
    assert max(chip.counts()) == 1024


@pytest.mark.parametrize(
    ("name", "count", "said"),
    [
        ("v5e", 3, "no TPU v5e of 3 devices; there are 1, 4, 8, 16"),
        ("v5p", 1, "no TPU v5p of 1 devices; there are 4, 8"),
        ("h100", 0, "no NVIDIA H100 SXM of 0 devices; there are 1 to 8 of one machine"),
        ("h100", 12, "whole machines of 8 up to 1,024"),
        ("h100", 2048, "whole machines of 8 up to 1,024"),
    ],
)
def test_a_machine_that_is_not_built_is_refused_with_those_that_are(name, count, said):
    with pytest.raises(UserError, match=said):
        accelerator(name).check(count)


def test_an_unknown_device_gets_the_nearest():
    with pytest.raises(UserError, match=r"'h10' is unknown.*did you mean h100"):
        accelerator("h10")


def test_operations_are_counted_with_their_loops_and_by_precision():
    kernel = jnp.ones((3, 3, 4, 8))

    def function(x, w, image):
        def body(carry, _):
            return carry @ w, None

        x, _ = jax.lax.scan(body, x, None, length=5)
        x = jax.lax.platform_dependent(x, cpu=lambda x: x @ x.T @ x, default=lambda x: x)
        highest = jnp.matmul(x, w, precision="highest")
        half = x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)
        names = ("NHWC", "HWIO", "NHWC")
        conv = jax.lax.conv_general_dilated(image, kernel, (1, 1), "SAME", dimension_numbers=names)
        wide = jax.lax.conv_general_dilated(
            image, kernel, (1, 1), [(1, 1)] * 2, lhs_dilation=(2, 2), dimension_numbers=names
        )
        return highest, half, conv, wide

    trace = jax.jit(function).trace(jnp.ones((4, 8)), jnp.ones((8, 8)), jnp.ones((2, 6, 6, 4)))
    product = 2 * 4 * 8 * 8
    convolution = 2 * (2 * 6 * 6 * 8) * (3 * 3 * 4)
    dilated = 2 * (2 * 11 * 11 * 8) * (3 * 3 * 4) // 4
    counted = operations_of(trace.jaxpr, "cuda")
    assert counted.by_precision == {
        "float32": 5 * product + convolution + dilated,
        "highest": product,
        "bfloat16": product,
    }
    on_cpu = operations_of(trace.jaxpr, "cpu")
    assert on_cpu.total - counted.total == 2 * (2 * 4 * 8 * 4)
    assert not counted.unknown


def test_a_loop_without_a_number_of_trips_is_named():
    def function(x):
        return jax.lax.while_loop(lambda x: x.sum() < 1e6, lambda x: x @ x, x)

    counted = operations_of(jax.jit(function).trace(jnp.ones((4, 4))).jaxpr, "cuda")
    assert counted.total == 2 * 4 * 4 * 4
    assert len(counted.unknown) == 1


def test_the_longest_part_is_the_bound():
    chip = accelerator("h100")
    exchange = [(Collective("all-reduce", 10**8, 8), 2)]
    found = bound(chip, 8, {"bfloat16": 8 * 989e12, "highest": 8 * 67e12}, 3.35e12, exchange)
    assert found.compute == pytest.approx(2.0)
    assert found.memory == pytest.approx(1.0)
    assert found.links == pytest.approx(2 * (2 * 1e8 * 7 / 8 / 450e9 + 3 * 5e-6))
    assert (found.seconds, found.name) == (found.compute, "compute")
    assert bound(chip, 8, {}, 0.0, [], 5.0).name == "input"


def test_what_devices_do_side_by_side_is_added_up():
    mesh = jax.make_mesh((8,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = jax.sharding.PartitionSpec("rows")
    function = jax.shard_map(lambda x, y: x @ y, mesh=mesh, in_specs=(rows, None), out_specs=rows)
    trace = jax.jit(function).trace(jnp.ones((16, 4)), jnp.ones((4, 3)))
    assert operations_of(trace.jaxpr, "cuda").total == 2 * 16 * 4 * 3


ONE_OF_EACH_QUESTION = ("demo", "tvsum", "video_similarity")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ONE_OF_EACH_QUESTION else pytest.mark.exhaustive)
        for name in configurations.names()
        if name != "recipe"  # which chooses what it trains once it sees the photos
    ],
)
def test_every_configuration_is_planned_without_its_data(name):
    config = configurations.get(name)
    question = question_named(type(config).__name__)
    photos = isinstance(config.data.batch_size, int) and hasattr(config.data, "source")
    experiment = question.imagined(config, 16, 64 if photos else 640)
    function, arguments = step_ahead(experiment, config, make_layout("single"))
    counted = operations_of(function.trace(*arguments(config.data.batch_size)).jaxpr, "cuda")
    assert counted.total > 0


@pytest.mark.exhaustive
def test_what_is_imagined_is_what_is_built():
    """A step of shapes alone is the step of the data that have these shapes."""
    config = configurations.get("demo")
    question = question_named("EmbeddingConfig")
    config, data = question.load_data(question.complete(config), Path())
    real = question.build(config, data)
    labels = data[0].labels[data[1].train]
    imagined = question.imagined(config, len(set(labels.tolist())), len(labels))
    texts = []
    for experiment in (real, imagined):
        function, arguments = step_ahead(experiment, config, make_layout("single"))
        texts.append(function.lower(*arguments(config.data.batch_size)).as_text())
    assert texts[0] == texts[1]


@pytest.mark.skipif(here, reason="the extra plan is installed")
def test_without_the_extra_a_sentence_says_how_to_get_it():
    with pytest.raises(UserError, match=r"pip install 'reid-jax\[plan\]'"):
        plan(configurations.get("demo"), Question("h100", (1,)))


def test_a_batch_that_is_to_be_found_is_refused_in_words():
    config = configurations.get("demo")
    config = config.__class__(data=config.data.__class__(batch_size=0))
    with pytest.raises(UserError, match="--largest-batch says what would fit"):
        plan(config, Question("h100", (1,)))


def test_jax_never_meets_the_compilers_of_what_is_not_here(tmp_path):
    """The extra changes nothing elsewhere: what it installs is not even looked at."""
    for package in ("libtpu", "jax_cuda12_plugin", "jax_plugins/xla_cuda12"):
        folder = tmp_path / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"print('{package} was imported')")
    code = "import reid_jax, jax; jax.devices(); print('done')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment.pop(COMPILERS, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["done"]


@pytest.mark.exhaustive
@compiles
def test_a_step_is_planned_on_eight_devices(tmp_path):
    config = configurations.get("demo")
    asked = Question("h100", (1, 8), identities=120, explain=True, cores=4, decode_rate=100.0)
    one, eight = plan(config, asked)
    assert json.loads(json.dumps([one, eight])) == [one, eight]
    assert one["collectives"] == []
    assert {each["kind"] for each in eight["collectives"]} >= {"all-reduce"}
    assert eight["memory_bytes"] < one["memory_bytes"]
    assert one["flops"] == eight["flops"]
    assert one["bound"] == "input"
    assert one["photos_per_second"] == pytest.approx(400.0)
    assert sum(each["share"] for each in one["groups"]) <= 1.0
    assert "assumptions" in one
    model = dataclasses.replace(config.model, batch_norm="device")
    (parts,) = plan(dataclasses.replace(config, model=model), Question("h100", (8,)))
    assert exchanged(parts) < exchanged(eight)


@pytest.mark.exhaustive
@compiles
def test_clips_are_called_clips_and_a_small_number_is_not_0():
    (row,) = rows = plan(configurations.get("tvsum"), Question("a100", (1,)))
    assert row["unit"] == "clips"
    assert "40 videos, assumed" in row["assumptions"]
    row["memory_bytes"] = 1_234_567
    assert "0.0012" in as_table(rows).as_text()
    assert "clips/s" in as_table(rows).as_text()


def exchanged(row):
    return sum(each["number"] for each in row["collectives"] if each["kind"] == "all-reduce")
