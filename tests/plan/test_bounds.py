"""What a step moves, starts and exchanges on accelerators, held so that nobody loses it unnoticed.

The bounds are for one version of the compilers; with another one, or without, nothing is compared.
"""

from importlib.metadata import PackageNotFoundError, version

import pytest

from reid_jax import configurations
from reid_jax.fields import with_values
from reid_jax.plan.plan import _ENVIRONMENT, Question, plan
from reid_jax.plan.process import in_process

FOR = "0.10.2"


def compilers():
    try:
        return version("jax-cuda12-plugin")
    except PackageNotFoundError:
        return None


pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(compilers() != FOR, reason=f"the bounds are for the compilers of jax {FOR}"),
]


@pytest.fixture(autouse=True)
def optimised(monkeypatch):
    """As users compile; tests elsewhere leave most of the compiler out."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def planned(name, devices=1, **changes):
    dotted = {field.replace("__", "."): value for field, value in changes.items()}
    config = with_values(configurations.get(name), dotted)
    (row,) = plan(config, Question("h100", (devices,), identities=1000))
    return row


def exchanges(row, *kinds):
    found = row["collectives"]
    return sum(each["number"] for each in found if not kinds or each["kind"] in kinds)


def test_resnet50_on_one():
    row = planned("throughput_resnet50")
    assert row["hbm_bytes"] <= 92e9  # 90.7
    assert row["kernels"] <= 900  # 860
    assert row["memory_bytes"] <= 11.2e9  # 10.8


def test_resnet50_on_eight_with_batch_norm_of_a_device():
    row = planned("throughput_resnet50", 8, model__batch_norm="device", data__batch_size=2048)
    assert exchanges(row, "all-reduce") <= 8  # 3
    assert exchanges(row) <= 8  # 5
    assert row["hbm_bytes"] <= 92e9


def test_resnet50_on_eight_with_batch_norm_of_all():
    row = planned("throughput_resnet50", 8, data__batch_size=2048)
    assert exchanges(row) <= 2 * 53 + 8  # 102
    assert row["hbm_bytes"] <= 92e9


def test_the_small_network_many_steps_a_call():
    """The goal is 40; 11 convolutions, 18 sums and 12 passes of BatchNorm and pooling are 41."""
    row = planned("throughput_small", data__input="resident", train__steps_per_call=50)
    assert row["kernels"] <= 97  # 94


@pytest.mark.parametrize(
    ("name", "arguments", "most"),
    [
        ("head", {"classes": 10**6, "dimension": 512, "batch": 1024}, 5e9),
        ("mining", {"rows": 65_536, "dimension": 512}, 0.5e9),
    ],
)
def test_memory(name, arguments, most):
    assert in_process("tests.plan.for_h100", name, arguments, _ENVIRONMENT, name) <= most
