"""What scaling was found and predicted: on the console, as JSON, as a picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import jax

from reid_jax.errors import UserError
from reid_jax.files import atomic_write, check_destinations, write_text
from reid_jax.plan import scale
from reid_jax.plan.case import Case
from reid_jax.plan.measure import device_name
from reid_jax.plan.scale import Scaling
from reid_jax.plan.scale_model import Prediction

Model = list[tuple[str, list[Prediction], str]]


def measure_and_report(
    counts: Sequence[int],
    json_file: Path | None,
    plot: Path | None,
    *,
    case: Case | None = None,
    modelled: Case | None = None,
) -> None:
    """Measures, predicts, prints, and writes what files were asked for.

    `case` is what is measured, `modelled` what is predicted, both with the batch of a device.

    Raises:
      UserError: for more accelerators than there are.
    """
    check_destinations(json_file, plot)
    case = case or scale.default_case()
    available = jax.device_count()
    if jax.default_backend() != "cpu":
        counts = [count for count in counts if count <= available]
    if not counts or counts[0] != 1:
        raise UserError(f"devices are {tuple(counts)}; they must begin with 1.")
    print(f"{device_name()}: {case} a device")
    results = scale.run(case, counts)
    print(scale.as_table(results).as_text())
    model = scale.model(results, modelled) if modelled else scale.model(results)
    for _, predictions, assumed in model:
        print(f"\n{assumed}\n{scale.model_table(predictions).as_text()}")
    if json_file is not None:
        write_text(json_file, json.dumps(_as_json(case, results, model), indent=1) + "\n")
    if plot is not None:
        draw(results, model, plot)


def _as_json(case: Case, results: Sequence[Scaling], model: Model) -> dict[str, object]:
    return {
        "device": device_name(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"jax": jax.__version__},
        "case": asdict(case),
        "measured": [asdict(each) for each in results],
        "model": [
            {
                "platform": name,
                "assumptions": assumed.splitlines(),
                "weak": [
                    asdict(each) | {"exposed": each.exposed, "overlapped": each.overlapped}
                    for each in predictions
                ],
            }
            for name, predictions, assumed in model
        ],
    }


def draw(results: Sequence[Scaling], model: Model, file: Path) -> None:
    """Efficiency over the number of devices: measured on the left, predicted on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for mode in ("weak", "strong"):
        rows = [each for each in results if each.mode == mode]
        one = rows[0].batch / rows[0].seconds
        efficiency = [each.batch / each.seconds / one / each.devices for each in rows]
        left.plot([each.devices for each in rows], efficiency, marker="o", label=mode)
    left.set_title(f"measured: {device_name()}", fontsize=8)
    for index, (name, predictions, _) in enumerate(model):
        devices = [each.devices for each in predictions]
        color = f"C{index}"
        right.plot(devices, [each.overlapped for each in predictions], color=color, label=name)
        right.plot(devices, [each.exposed for each in predictions], color=color, linestyle=":")
    right.set_title("model, weak scaling (dotted: exchanges not overlapped)", fontsize=8)
    left.set_ylabel("efficiency")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("devices")
        axes.set_ylim(0, 1.1)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
    with atomic_write(file) as handle:
        figure.savefig(handle, format="png", dpi=130)
