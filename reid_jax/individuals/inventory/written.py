"""An inventory printed, and written where it was asked for."""

from pathlib import Path

from reid_jax.data.photos.reading import Reading
from reid_jax.fields import NOT_NEGATIVE
from reid_jax.files import check_destinations, make_folder, write_text
from reid_jax.individuals.inventory.look import facts, take_inventory
from reid_jax.individuals.inventory.sheet import as_html
from reid_jax.individuals.inventory.words import as_text
from reid_jax.individuals.run import SKIPPED, list_skipped
from reid_jax.reporting.plain_json import plain_json


def inventory_to_files(
    source: str,
    reading: Reading,
    html: Path | None,
    json: Path | None,
    out: Path | None,
    *,
    seed: int,
    seconds: float,
) -> None:
    """Prints what a source holds; writes a page, JSON, or a folder with both.

    Raises:
      UserError: the source cannot be read, a place cannot be written to, or `seconds` is below 0.
    """
    NOT_NEGATIVE.check("burst_seconds", seconds)
    pages = [place for place in (html, out and out / "index.html") if place]
    values = [place for place in (json, out and out / "inventory.json") if place]
    check_destinations(*pages, *values, folder=out)
    found = take_inventory(source, reading, seed=seed, seconds=seconds)
    print(as_text(found))
    if out is not None:
        make_folder(out)
    for place in values:
        write_text(place, plain_json(facts(found)))
    text = as_html(found) if pages else ""
    for place in pages:
        write_text(place, text)
    if out is not None:
        list_skipped(found.photos, out / SKIPPED)
    for place in pages or values:
        print(f"written: {place}")
