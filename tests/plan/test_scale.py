"""What devices exchange, read from programs, and the model that is made of it."""

import json

import jax
import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.hlo import read_hlo
from reid_jax.plan import process, scale, scale_report
from reid_jax.plan.accelerators import accelerator
from reid_jax.plan.case import Case, make_task
from reid_jax.plan.collectives import Collective, bytes_by_kind
from reid_jax.plan.program import count
from reid_jax.plan.scale_model import PLATFORMS, Prediction, exchange_seconds, predict
from reid_jax.training.parallel import make_layout
from scripts.bench import startup

PROGRAM = """
ENTRY %main (a: f32[128,64]) -> f32[10] {
  %a = f32[128,64]{1,0} parameter(0)
  %b = f32[64]{0} parameter(1)
  %c = bf16[8,16]{1,0} parameter(2)
  %d = f32[4,8]{1,0} parameter(3)
  %f = f32[80]{0} parameter(4)
  %g = pred[7]{0} parameter(5)
  %ar = (f32[128,64]{1,0}, f32[64]{0}) all-reduce(%a, %b), replica_groups={{0,1,2,3}}, to_apply=%add
  %ag = bf16[32,16]{1,0} all-gather(%c), replica_groups=[2,4]<=[8], dimensions={0}
  %s = (f32[4,8]{1,0}, f32[32,8]{1,0}) all-gather-start(%d), replica_groups=mesh['x'=8,'y'=1] {'x'}
  %e = f32[32,8]{1,0} all-gather-done(%s)
  ROOT %rs = f32[10]{0} reduce-scatter(f32[80]{0} %f), dimensions={0}, to_apply=%add
  %cp = pred[7]{0} collective-permute(%g), source_target_pairs={{0,1},{1,0}}
}
"""


def exchanges(text):
    return [each for each, _ in count(read_hlo(text), 8).collectives]


def test_collectives_are_read_from_the_text():
    assert exchanges(PROGRAM) == [
        Collective("all-reduce", 4 * (128 * 64 + 64), 4),
        Collective("all-gather", 2 * 32 * 16, 4),
        Collective("all-gather", 4 * 32 * 8, 8),
        Collective("reduce-scatter", 4 * 80, 8),
        Collective("collective-permute", 7, 8),
    ]
    sent = bytes_by_kind(exchanges(PROGRAM))
    assert sent["all-reduce"] == 2 * 3 / 4 * 4 * (128 * 64 + 64)
    assert sent["all-gather"] == 3 / 4 * 1024 + 7 / 8 * 1024
    assert sent["reduce-scatter"] == 7 / 8 * 320


def test_a_compiled_program_shows_its_reduction():
    layout = make_layout("mesh")
    compiled = layout.compile(
        lambda state, shared, batch: (state - batch.sum(0), {}), batch_axis=0, donate=False
    )
    state = layout.everywhere(np.zeros(1000, np.float32))
    batch = layout.divide(np.ones((16, 1000), np.float32), 0)
    found = exchanges(compiled.lower(state, {}, batch).compile().as_text())
    assert [(each.kind, each.payload, each.devices) for each in found] == [("all-reduce", 4000, 8)]


def test_an_exchange_takes_what_its_links_take():
    h100 = accelerator("h100").links
    gradients = Collective("all-reduce", 100_000_000, 8)
    inside = exchange_seconds(gradients, 8, h100)
    assert inside == pytest.approx(2 * 1e8 * 7 / 8 / 450e9 + 3 * 5e-6)
    across = exchange_seconds(gradients, 64, h100)
    slow = 2 * 1e8 / 8 * 7 / 8 / 50e9
    assert across == pytest.approx(2 * 1e8 * 7 / 8 / 450e9 + slow + 6 * 5e-6)


def test_more_devices_are_never_more_efficient_and_overlap_never_hurts():
    found = [Collective("all-reduce", 10**8, 8), Collective("all-gather", 10**6, 8)]
    for platform in PLATFORMS:
        predictions = predict(0.1, found, accelerator(platform).links)
        assert [each.devices for each in predictions] == [8, 16, 32, 64, 128, 256, 512, 1024]
        exposed = [each.exposed for each in predictions]
        assert exposed == sorted(exposed, reverse=True)
        assert all(each.overlapped >= each.exposed for each in predictions)
    assert Prediction(8, 1.0, 0.5).overlapped == 1.0


@pytest.mark.exhaustive
def test_two_devices_are_measured_and_reported(tmp_path, capsys):
    case = Case("small_cnn", 16, 1, "triplet", 8)
    files = tmp_path / "s.json", tmp_path / "s.png"
    scale_report.measure_and_report((1, 2), *files, case=case, modelled=case)
    written = json.loads((tmp_path / "s.json").read_text())
    assert [(row["mode"], row["devices"], row["batch"]) for row in written["measured"]] == [
        ("weak", 1, 8),
        ("weak", 2, 16),
        ("strong", 1, 16),
        ("strong", 2, 16),
    ]
    parameters = 4 * sum(
        leaf.size
        for leaf in jax.tree.leaves(
            make_task(case, dtype=np.float32, augmented=False).init(
                jax.random.key(0), {"image": np.zeros((1, 16, 16, 1), np.uint8)}
            )[0]
        )
    )
    sent = written["measured"][1]["sent"]
    assert sent["all-reduce"] >= parameters  # 2 (n - 1) / n = 1 of the gradients
    assert sum(written["measured"][0]["sent"].values()) == 0
    said = capsys.readouterr().out
    assert "assumed, not measured there" in said
    assert "1024" in said
    assert (tmp_path / "s.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL, often for want of memory"),
        ("sys.exit(3)", "exit status 3, and it said nothing"),
        ("sys.exit('no such thing')", "no such thing"),
    ],
)
def test_a_process_that_fails_says_why_or_how_it_ended(ending, reason, monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_CHILD", f"import os, signal, sys; {ending}")
    case = Case("small_cnn", 16, 1, "triplet", 8)
    with pytest.raises(UserError, match=f"1 devices: .*{reason}"):
        scale.run(case, (1,))
    with pytest.raises(UserError, match=f"The first step failed: .*{reason}"):
        startup.run((case,), repeats=1)
