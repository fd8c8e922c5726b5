"""All reports of a gallery in a folder: a page, tables, files of programs."""

import json
from pathlib import Path

from reid_jax.errors import UserError
from reid_jax.files import check_destinations, make_folder, write_text
from reid_jax.individuals.gallery.reports import catches, histories, report
from reid_jax.individuals.gallery.reports.page import as_html
from reid_jax.individuals.gallery.reports.report import Report, Wanted, report_of


def write_report(folder: Path, out: Path, wanted: Wanted) -> tuple[Report, list[str]]:
    """Writes all reports of a gallery into a folder.

    Returns:
      The report, and the names of the files.

    Raises:
      UserError: as :func:`reid_jax.individuals.gallery.reports.report.report_of`, or the folder
        cannot be written to.
    """
    check_destinations(folder=out)
    found = report_of(folder, wanted)
    files = {
        "catches-by-month.csv": catches.as_csv(found.months.each, "month"),
        "catches-by-year.csv": catches.as_csv(found.years.each, "year"),
        "encounters.csv": histories.as_csv(found.histories),
        "occasions.csv": report.occasions_csv(found.histories),
        "left-out.csv": report.left_out_csv(found.photos, found.histories),
    }
    try:
        files["encounters.inp"] = histories.as_inp(found.histories)
    except UserError:
        (out / "encounters.inp").unlink(missing_ok=True)  # of another time
    if found.sure is not None:
        files["probabilities.csv"] = report.curve_csv(found.sure.curve)
        files["thresholds.csv"] = report.thresholds_csv(found.sure.consequences())
    numbers = report.as_json(found)
    files["report.json"] = json.dumps(numbers, indent=2, ensure_ascii=False) + "\n"
    files["index.html"] = as_html(found)
    make_folder(out)
    for name, text in files.items():
        write_text(out / name, text)
    return found, list(files)
