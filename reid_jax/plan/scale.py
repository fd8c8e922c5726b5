"""One step on 1, 2, 4 and 8 devices: weak and strong scaling, and what is sent between devices.

Each number of devices runs in a process of its own. Where there are no accelerators the devices are
parts of this machine's CPU: they share its cores, so that times say what dividing a step costs, not
what more hardware gives.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from reid_jax.console import Bar, counting
from reid_jax.hlo import read_hlo
from reid_jax.plan.accelerators import accelerator
from reid_jax.plan.case import Case, make_batch, make_step, make_task
from reid_jax.plan.collectives import Collective, bytes_by_kind
from reid_jax.plan.measure import device_name, measure
from reid_jax.plan.process import in_process
from reid_jax.plan.program import count
from reid_jax.plan.roofline import work_of
from reid_jax.plan.scale_model import PLATFORMS, Prediction, assumptions, predict
from reid_jax.reporting.table import Table
from reid_jax.training.parallel import make_layout

UTILISATION = 0.35  # of a device's peak, where its compute was not measured
_CPU = Case("small_cnn", 28, 1, "triplet", 64)
_ELSEWHERE = Case("resnet50", 224, 3, "arcface", 128)  # a device's; this is what is modelled
_MODELLED_ON = 8  # devices that the modelled program is compiled for
_PROBE = 2**24  # float32 numbers whose reduction shows what the links give


@dataclass(frozen=True)
class Scaling:
    """A step of `batch` photos on some devices.

    `exchange`: seconds that the program's collectives take at the speed that a large all-reduce
    among these devices had. `operations`: of one device.
    """

    mode: str
    devices: int
    batch: int
    seconds: float
    spread: float
    exchange: float
    sent: dict[str, float]
    operations: float
    found: list[Collective]


def default_case() -> Case:
    """A small network on a CPU, ResNet-50 elsewhere; its batch is that of one device."""
    return _CPU if jax.default_backend() == "cpu" else _ELSEWHERE


def run(case: Case, counts: Sequence[int], *, repeats: int = 5) -> list[Scaling]:
    """Weak scaling (a whole batch a device), then strong (the batch of the most devices, divided).

    Raises:
      UserError: when a process fails.
    """
    cpu = jax.default_backend() == "cpu"
    results = []
    asked = [(mode, devices) for mode in ("weak", "strong") for devices in counts]
    for mode, devices in counting(asked, "measuring", "measurements"):
        batch = case.batch * (devices if mode == "weak" else max(counts))
        said = _in_process(replace(case, batch=batch), devices, repeats, cpu=cpu)
        found = [Collective(*each) for each in said.pop("found")]
        results.append(Scaling(mode, devices, batch, found=found, **said))
    return results


def _in_process(case: Case, devices: int, repeats: int, *, cpu: bool) -> dict[str, Any]:
    environment = {}
    if cpu:
        environment["JAX_PLATFORMS"] = "cpu"
        environment["REID_JAX_ONEDNN"] = "0"  # several devices do without it, so one does as well
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    request = {"case": asdict(case), "devices": devices, "repeats": repeats}
    said: dict[str, Any] = in_process(
        __name__, work_on.__name__, request, environment, f"{devices} devices"
    )
    return said


def work_on(case: dict[str, Any], devices: int, repeats: int) -> dict[str, Any]:
    """In a process that has the devices: the step's time, and its collectives.

    Without `repeats` the step is compiled, not made.
    """
    what = Case(**case)
    dtype = jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    layout = make_layout("mesh" if devices > 1 else "single", devices)
    task = make_task(what, dtype=dtype, augmented=True)
    params, model_state = task.init(jax.random.key(0), make_batch(what, 0))
    state, function = make_step(what, task, params, model_state, layout)
    compiled = function.lower(state, {}, layout.divide(make_batch(what, 0), 0)).compile()
    current = [state]

    def call(batch: Any) -> Any:
        current[0], metrics = compiled(current[0], {}, batch)
        return current[0], metrics

    counted = count(read_hlo(compiled.as_text()), devices).collectives
    found = [each for each, times in counted for _ in range(times)]
    program = {
        "operations": work_of(compiled).operations,
        "found": [(each.kind, each.payload, each.devices) for each in found],
    }
    if not repeats:
        return program
    measured = measure(
        call,
        lambda seed: layout.divide(make_batch(what, seed), 0),
        repeats=repeats,
        keep=lambda _: None,
    )
    sent = bytes_by_kind(found)
    speed = _link_speed(devices) if devices > 1 else float("inf")
    return program | {
        "seconds": measured.seconds,
        "spread": measured.spread,
        "exchange": sum(sent.values()) / speed,
        "sent": sent,
    }


def _link_speed(devices: int) -> float:
    """Bytes a second that a device sends in a large all-reduce."""
    layout = make_layout("pmap", devices)
    reduce = layout.compile(
        lambda state, shared, batch, *, axis_name: jax.lax.psum(batch, axis_name),
        batch_axis=0,
        donate=False,
    )
    rows = layout.divide(np.ones((devices, _PROBE // devices), np.float32), 0)
    measured = measure(lambda x: reduce(0.0, {}, x), lambda _: rows, keep=lambda _: None)
    return Collective("all-reduce", 4 * _PROBE // devices, devices).sent / measured.seconds


def model(
    results: Sequence[Scaling], case: Case = _ELSEWHERE
) -> list[tuple[str, list[Prediction], str]]:
    """For each platform its name, what it would do, and what that assumes.

    The program of the case is compiled for eight parts of this machine's CPU, which shows what it
    exchanges. Its compute is that of `results` where they are of this case on such a device.
    """
    whole = replace(case, batch=case.batch * _MODELLED_ON)
    with Bar("compiling what is modelled", 1, "programs") as bar, bar.waiting():
        said = _in_process(whole, _MODELLED_ON, 0, cpu=True)
    found = [Collective(*each) for each in said["found"]]
    device = device_name()
    measured = [each for each in results if each.devices == 1 and each.mode == "weak"]
    outcomes = []
    for platform in map(accelerator, PLATFORMS):
        if platform.key in device.lower() and measured:
            compute, words = measured[0].seconds, f"measured on one {device}"
        else:
            peak = platform.operations_per_second["bfloat16"]
            compute = said["operations"] / (UTILISATION * peak)
            words = (
                f"{said['operations']:.3g} counted operations at {UTILISATION:.0%} of the peak "
                "(assumed, not measured there)"
            )
        words = f"{compute:.4g} s, {words}; {case} a device"
        predictions = predict(compute, found, platform.links)
        outcomes.append((platform.name, predictions, assumptions(platform, words)))
    return outcomes


def as_table(results: Sequence[Scaling]) -> Table:
    """The measurements; efficiency is beside one device."""
    ones = {each.mode: each for each in results if each.devices == 1}
    lines = []
    for each in results:
        rate = each.batch / each.seconds
        one = ones[each.mode].batch / ones[each.mode].seconds
        lines.append(
            [
                each.mode,
                each.devices,
                each.batch,
                f"{each.seconds:.4f}",
                f"{rate:.0f}",
                f"{rate / one / each.devices:.1%}",
                f"{sum(each.sent.values()) / 1e6:.2f}",
                f"{each.exchange / each.seconds:.1%}",
            ]
        )
    head = ["", "devices", "batch", "s/step", "photos/s", "efficiency", "MB sent", "exchange"]
    return Table(head, lines)


def model_table(predictions: Sequence[Prediction]) -> Table:
    """A row for each number of devices."""
    return Table(
        ["devices", "compute s", "exchange s", "exposed", "overlapped"],
        [
            [
                each.devices,
                f"{each.compute:.4g}",
                f"{each.exchange:.3g}",
                f"{each.exposed:.1%}",
                f"{each.overlapped:.1%}",
            ]
            for each in predictions
        ],
        "rrrrr",
    )
