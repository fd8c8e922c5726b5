"""What a gallery by another network is like, in words."""

import math

from reid_jax.console import counted
from reid_jax.individuals.gallery.anew.comparison import BEFORE, NEW, Compared, Found
from reid_jax.individuals.gallery.anew.reembed import Reembedded
from reid_jax.individuals.gallery.output import shown
from reid_jax.reporting.compare import how_told
from reid_jax.reporting.table import Table

_GONE = 10  # photos that are named


def as_text(done: Reembedded) -> str:
    """What a person reads when a gallery has been embedded anew."""
    lines = gone_lines(done)
    if done.same:
        lines.append("It is the network that the gallery had, so there is nothing to compare.")
    elif done.compared is None:
        lines.append(
            "Nothing can be compared: nobody has named two photos of one individual that were "
            "taken on two days."
        )
    else:
        lines += [about(done.compared), _table(done.compared).as_text()]
        lines += [how_told(done.compared.differences)]
        lines += [each.sentence for each in done.compared.differences]
    return "\n".join([*lines, outcome(done)])


def gone_lines(done: Reembedded) -> list[str]:
    """Photos that were embedded from small pictures."""
    if not done.gone:
        return []
    lines = [
        f"{counted(len(done.gone), 'photo')} could only be embedded from small pictures that the "
        "gallery keeps; relocate finds photos that were moved:"
    ]
    lines += [f"  {shown(path)} {why}" for path, why in done.gone[:_GONE]]
    if len(done.gone) > _GONE:
        lines.append(f"  ... and {len(done.gone) - _GONE:,} more")
    return lines


def about(compared: Compared) -> str:
    """Which photos were searched for, and what flatters."""
    kind = "confirmed photo" if compared.confirmed else "photo with a name"
    kinds = "confirmed photos" if compared.confirmed else "photos with a name"
    said = (
        f"{counted(compared.photos, kind, kinds)} of "
        f"{counted(compared.individuals, 'individual')}, searched for by each network alone among "
        f"{counted(compared.among, 'photo')}; photos of one day are no match."
    )
    if compared.left_out:
        trained = counted(compared.left_out, "more was", "more were")
        said += f" {trained} trained on and left out."
    if compared.trained:
        said += " A network was trained on some of them, which flatters it; there are no others."
    elif compared.met:
        met = counted(compared.met, "is of an individual", "are of individuals")
        said += f" Of these {met} that a network was trained on by other photos."
    return said


def _table(compared: Compared) -> Table:
    rows = [(BEFORE, compared.before), (NEW, compared.new)]
    return Table(
        ["", "Rank-1", "mAP"],
        [[name, *numbers(found)] for name, found in rows],
    )


def numbers(found: Found) -> tuple[str, str]:
    """Rank-1 and mAP with their intervals."""
    return (
        _number(found.rank1, found.rank1_interval),
        _number(found.mean_ap, found.mean_ap_interval),
    )


def _number(value: float, interval: tuple[float, float]) -> str:
    if not all(map(math.isfinite, interval)):
        return f"{value:.3f}"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def outcome(done: Reembedded) -> str:
    """Which embeddings the gallery has now, and how long the others stay."""
    if not done.taken:
        return "The gallery keeps the embeddings that it had."
    return (
        "The gallery has the new embeddings; decisions are as they were. The former ones stay "
        "until photos are added or it is embedded anew: reid-jax gallery undo goes back to them."
    )
