"""Reports of the gallery: how sure it is, who was seen when, tables for other programs."""

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reid_jax.app.reading.finding import Finding
from reid_jax.app.routes.asked import Filter, wanted_of
from reid_jax.app.safety import RefusedError
from reid_jax.app.site import Site
from reid_jax.individuals.gallery.reports import drawings, report
from reid_jax.individuals.gallery.reports.catches import Catches, catches
from reid_jax.individuals.gallery.reports.catches import as_csv as catches_csv
from reid_jax.individuals.gallery.reports.histories import Histories, as_csv, as_inp
from reid_jax.individuals.gallery.reports.occasions import UNITS, Unit
from reid_jax.individuals.gallery.reports.photos import Photos, photos_of
from reid_jax.individuals.gallery.reports.population import estimate
from reid_jax.individuals.gallery.reports.sure import Sure, is_found, said, sure_of
from reid_jax.individuals.gallery.reports.where import CONFIRMED, Facts
from reid_jax.individuals.gallery.stored.reading import form_of, position_of, read_gallery
from reid_jax.individuals.gallery.value import Gallery

_TABLE = "text/csv; charset=utf-8"
_GROUPED = ("sex", "side", "orientation", "camera", "place")
_CHOICES = 100  # values that are offered
_MANY = 36  # occasions and years that a table on the page shows


class ReportRoutes:
    """Routes about all of a gallery."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._alone = threading.Lock()
        self._read: tuple[Any, Gallery, Facts] | None = None
        self._finding: Finding[None] = Finding(self._find_out)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/reports", self.page),
            Route("/v1/reports/sureness", self.sureness),
            Route("/v1/reports/catches", self.catches),
            Route("/v1/reports/catches.csv", self.catches_table),
            Route("/v1/reports/population", self.population),
            Route("/v1/reports/encounters.csv", self.encounters),
            Route("/v1/reports/encounters.inp", self.mark),
            Route("/v1/reports/occasions.csv", self.occasions),
            Route("/v1/reports/left-out.csv", self.left_out),
        ]

    @property
    def _folder(self) -> Path:
        if self._site.shelf is None:
            raise RefusedError(404, "There is no gallery yet.")
        return self._site.shelf.folder

    def _gallery(self) -> tuple[Gallery, Facts]:
        """All photos with what they are worth, read again where one of the two has changed."""
        form = form_of(self._folder)
        changed = form.settings.stat().st_mtime_ns if form.settings.is_file() else 0
        state = position_of(self._folder), changed
        with self._alone:
            if self._read is None or self._read[0] != state:
                gallery = read_gallery(self._folder, thumbnails=False, marked=True)
                self._read = state, gallery, Facts.of(gallery)
            return self._read[1:]

    def _photos(self, wanted: report.Wanted) -> Photos:
        gallery, facts = self._gallery()
        sure = wanted.only_confirmed
        return photos_of(gallery, wanted.where, only_confirmed=sure, facts=facts)

    def page(self, request: Request) -> Response:
        """All reports."""
        filtered = Filter.of(request.query_params)
        wanted = wanted_of(request.query_params, filtered)
        gallery, everything = self._gallery()
        photos = self._photos(wanted)
        unit: Unit = "month" if request.query_params.get("seen") != "year" else "year"
        found, seen = report.population(photos, wanted), catches(photos, unit)
        sure, waiting, why = self._sure(gallery)
        said_of = {name: everything.values(name) for name in _GROUPED}
        columns = [name for name in _GROUPED if any(said_of[name])]
        facts = {
            "filter": filtered,
            "address": filtered.address(
                by=wanted.by,
                dates=" ".join(wanted.dates),
                group=wanted.group,
                confirmed="yes" if wanted.only_confirmed else "",
            ),
            "wanted": wanted,
            "units": UNITS,
            "columns": columns,
            "choices": choices(said_of),
            "photos": len(photos),
            "seen": seen,
            "unit": unit,
            "drawn": drawings.catches_chart(seen, unit),
            "discovered": drawings.discovery_chart(seen),
            "left_out": report.left_out_text(found.left_out),
            "occasions": _rows(found)[-_MANY:],
            "histories": found,
            "estimated": report.estimate_text(*estimate(found)),
            "sure": sure,
            "waiting": waiting,
            "why": why,
            "curve": drawings.curve_chart(sure.curve) if sure else "",
            "said": said(sure.at(sure.level)) if sure else "",
            "thresholds": report.sure_json(sure) if sure else {},
            "position": gallery.position,
        }
        return self._site.page(request, "reports.html", facts)

    def _sure(self, gallery: Gallery) -> tuple[Sure | None, bool, str]:
        """How sure the gallery is; whether that is being found out; or why nobody knows."""
        waiting, failed = False, "what was found could not be kept"
        if not is_found(gallery):
            _, waiting, why = self._finding.look((gallery.folder, gallery.position))
            failed = why or failed
            gallery = gallery if waiting else self._gallery()[0]  # which may have it by now
        if waiting:
            return None, True, ""
        if not is_found(gallery):
            return None, False, failed
        sure = sure_of(gallery.taking_part)
        return sure, False, "" if sure else str(gallery.settings.get("calibrated_with", ""))

    def _find_out(self) -> None:
        if self._site.desk is not None:
            self._site.desk.calibrate()

    def sureness(self, request: Request) -> Response:
        """How sure the gallery is, and what follows from each threshold."""
        del request
        sure, waiting, why = self._sure(self._gallery()[0])
        found = None if sure is None else report.sure_json(sure)
        return JSONResponse({"waiting": waiting, "sureness": found, "why": why})

    def _catches(self, request: Request) -> tuple[Unit, Catches]:
        wanted = wanted_of(request.query_params, Filter.of(request.query_params))
        return wanted.by, catches(self._photos(wanted), wanted.by)

    def catches(self, request: Request) -> Response:
        """What was seen in each day, month, season or year."""
        return JSONResponse(report.catches_json(self._catches(request)[1]))

    def catches_table(self, request: Request) -> Response:
        """The same as a table."""
        unit, found = self._catches(request)
        return _file(catches_csv(found.each, unit), f"catches-by-{unit}.csv")

    def _histories(self, request: Request) -> tuple[Photos, Histories]:
        wanted = wanted_of(request.query_params, Filter.of(request.query_params))
        photos = self._photos(wanted)
        return photos, report.population(photos, wanted)

    def population(self, request: Request) -> Response:
        """Encounter histories and the estimate."""
        return JSONResponse(report.population_json(self._histories(request)[1]))

    def encounters(self, request: Request) -> Response:
        """Encounter histories as a table."""
        return _file(as_csv(self._histories(request)[1]), "encounters.csv")

    def mark(self, request: Request) -> Response:
        """Encounter histories for program MARK."""
        return _file(as_inp(self._histories(request)[1]), "encounters.inp")

    def occasions(self, request: Request) -> Response:
        """When the occasions were, and who was seen on each."""
        return _file(report.occasions_csv(self._histories(request)[1]), "occasions.csv")

    def left_out(self, request: Request) -> Response:
        """Photos that do not count, and why."""
        return _file(report.left_out_csv(*self._histories(request)), "left-out.csv")


def choices(said: Mapping[str, Collection[str]]) -> list[tuple[str, list[str]]]:
    """Columns and their values that a page offers to choose from.

    Args:
      said: the values of each column, "" among them where some are not known.
    """
    found = []
    for name in _GROUPED:
        values = sorted(filter(None, said[name]))
        if len(said[name]) > 1 and len(values) <= _CHOICES:
            found.append((name, values))
    return [*found, (CONFIRMED, ["no", "yes"])]


def _rows(found: Histories) -> list[tuple[Any, ...]]:
    counts = (some.tolist() for some in (found.caught, found.recaptured, found.marked))
    return list(zip(found.occasions, *counts, strict=True))


def _file(text: str, name: str) -> Response:
    kind = _TABLE if name.endswith(".csv") else "text/plain; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type=kind, headers=headers)
