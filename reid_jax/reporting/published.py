"""The published networks of individuals that have a name here, as a table."""

from reid_jax.reporting.table import Table
from reid_jax.weights.published import NAMES, Published

_HEAD = ["hub:", "network", "px", "pooling", "numbers", "learnt from", "licence", "source"]


def published_table() -> Table:
    """A line a name: what it is made of, what it learnt from, under which licence, from where."""
    rows = [
        [
            name,
            each.backbone,
            each.inputs.input_size,
            _pooling(each),
            f"{each.dimensions:,}",
            each.about,
            each.licence,
            each.repository or each.page,
        ]
        for name, each in NAMES.items()
    ]
    return Table(_HEAD, rows, "llrlrlll")


def _pooling(each: Published) -> str:
    pooling = "GeM" if each.pooling == "gem" else "its own"
    return f"{pooling}, BatchNorm" if each.neck else pooling
