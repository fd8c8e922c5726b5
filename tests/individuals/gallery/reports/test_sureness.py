"""How sure a gallery is, against loops over its answers; and the threshold as a decision."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from reid_jax.errors import UserError
from reid_jax.individuals.calibration import Calibration
from reid_jax.individuals.choice import ChoiceCalibration
from reid_jax.individuals.gallery.calibrating import calibrated, calibration_of
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.reports.sure import said, sure_of
from reid_jax.individuals.gallery.reports.sureness import (
    Judged,
    consequences,
    curve,
    difference,
    weights,
    wilson,
)
from reid_jax.individuals.gallery.stored.reading import form_of, read_gallery
from reid_jax.individuals.gallery.value import DIGEST
from tests.doors import call
from tests.seen_gallery import INDIVIDUALS


def drawn(number=400, seed=0, strangers=0.3) -> Judged:
    """Answers whose first is right as often as its probability says, and strangers."""
    rng = np.random.default_rng(seed)
    known = rng.random(number) < 0.6
    first = np.where(known, rng.beta(4, 2, number), rng.beta(2, 4, number))
    return Judged(
        photos=np.array([f"{n:016d}" for n in range(number)]),
        first=first,
        nobody=(1 - first) * rng.random(number),
        right=known & (rng.random(number) < first),
        known=known,
        individuals=rng.integers(0, 40, number),
        strangers=strangers,
        how="drawn",
        apart=True,
    )


def test_consequences_are_the_verdicts_of_the_calibration():
    judged = drawn()
    rest = 1 - judged.first - judged.nobody
    for level in (0.5, 0.61, 0.83, 0.99):
        choice = ChoiceCalibration(1.0, 0.0, 0.0, 1.0)
        calibration = Calibration(choice, level, 0.5, 9, 0.0, 0.0, 0.0, 1, 1)
        verdicts = calibration.verdicts(np.stack([judged.first, rest], axis=1))
        counts = dict.fromkeys(
            ("own", "other", "close", "unknown", "named", "stranger_close", "stranger_unknown"), 0
        )
        for verdict, right, known in zip(verdicts, judged.right, judged.known, strict=True):
            if not known:
                counts["named" if verdict == "named" else f"stranger_{verdict}"] += 1
            elif verdict == "named":
                counts["own" if right else "other"] += 1
            else:
                counts[verdict] += 1
        [found] = consequences(judged, [level])
        assert vars(found) == {"level": level, **counts}


def test_a_higher_threshold_names_fewer():
    found = consequences(drawn())
    for lower, higher in pairwise(found):
        assert higher.own <= lower.own
        assert higher.named <= lower.named


def test_the_curve_is_that_of_a_loop():
    judged = drawn()
    photos = {one: np.sum(~judged.known & (judged.individuals == one)) for one in range(40)}
    strange = len({one for one, number in photos.items() if number})
    expected = weights(judged)
    for row in range(len(judged)):
        weight = (
            (1 - judged.strangers) / judged.known.sum()
            if judged.known[row]
            else judged.strangers / (strange * photos[judged.individuals[row]])
        )
        assert expected[row] == pytest.approx(weight)
    assert expected.sum() == pytest.approx(1)
    wrong = 0.0
    for each in curve(judged):
        rows = [r for r in range(len(judged)) if each.low <= judged.first[r] < each.high]
        total = sum(expected[r] for r in rows)
        kept = sum(expected[r] * judged.right[r] for r in rows) / total
        promised = sum(expected[r] * judged.first[r] for r in rows) / total
        assert (each.answers, each.kept, each.promised) == (
            len(rows),
            pytest.approx(kept),
            pytest.approx(promised),
        )
        assert each.least <= each.kept <= each.most
        wrong += total * abs(kept - promised)
    assert sum(each.answers for each in curve(judged)) == len(judged)
    assert difference(curve(judged), judged) == pytest.approx(wrong)


def test_wilson_has_it_published():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    for right, number, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        assert wilson(right / number, number) == (
            pytest.approx(low, abs=5e-5),
            pytest.approx(high, abs=5e-5),
        )
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert wilson(1, 29) == (pytest.approx(0.8830, abs=5e-5), 1.0)


def test_what_a_gallery_keeps_of_its_calibration(seen_folder):
    gallery = calibrated(read_gallery(seen_folder, thumbnails=False))
    found = sure_of(gallery)
    calibration = calibration_of(gallery, "max")
    judged = found.judged
    assert int(judged.known.sum()) == calibration.num_known
    assert len(judged) - int(judged.known.sum()) == calibration.num_unknown
    assert judged.apart
    assert not found.confirmed
    assert found.level == found.calibrated == calibration.name_from
    assert len(np.unique(judged.individuals)) == INDIVIDUALS
    assert set(judged.photos) <= {each[:16] for each in gallery.columns[DIGEST]}
    # Halves were not fitted on what they judge; the shares are nearly those of the whole.
    at = found.at(found.level)
    assert at.own / calibration.num_known == pytest.approx(calibration.right, abs=0.1)
    assert f"{at.own:,} with their name" in said(at)
    assert found.difference < 0.15
    assert calibrated(read_gallery(seen_folder)).settings["judged"] == gallery.settings["judged"]


def test_confirmed_photos_alone_where_they_are_enough():
    judged = drawn()
    some = judged.photos[:300].tolist()
    part = judged.about([f"{each}{each}" for each in some])
    assert part.photos.tolist() == some
    assert judged.about(some[:20]) is None
    assert judged.about([""]) is None


def test_a_threshold_is_a_decision(seen_folder, tmp_path, capsys):
    folder = tmp_path / "gallery"
    shutil.copytree(seen_folder, folder)

    def level() -> float:
        return calibration_of(calibrated(read_gallery(folder)), "max").name_from

    automatic = level()
    decisions = Decisions(folder, who="ann")
    number = decisions.name_from(0.93, reason="too many wrong names")
    assert level() == 0.93
    gallery = calibrated(read_gallery(folder))
    found = sure_of(gallery)
    assert (found.calibrated, found.chosen, found.level) == (automatic, 0.93, 0.93)
    assert "calibration" in gallery.settings  # what similarities are worth is as before
    entry = decisions.read_since(number - 1)[0]
    assert (entry.kind, entry.who, entry.changes[0].after) == ("threshold", "ann", "0.93")
    call("gallery", "info", folder)
    assert "a name from 93% on, as somebody decided" in capsys.readouterr().out
    call("gallery", "threshold", folder, "0.8")
    assert "a name is given from 80% on" in capsys.readouterr().out
    assert level() == 0.8
    call("gallery", "undo", folder)
    assert level() == 0.93
    call("gallery", "threshold", folder, "calibrated")
    assert "a name is given as calibrated" in capsys.readouterr().out
    assert level() == automatic
    kept = json.loads(form_of(folder).settings.read_text())["settings"]
    assert kept["calibration"]["max"]["name_from"] == automatic
    for wrong in (0.3, 1.0, 1.5, float("nan")):
        with pytest.raises(UserError, match=r"from a probability of 0.5 or more"):
            decisions.name_from(wrong)
    with pytest.raises(UserError, match="already"):
        decisions.name_from(None)
    with pytest.raises(SystemExit):
        call("gallery", "threshold", folder, "high")
    assert '"high" is no probability' in capsys.readouterr().err
