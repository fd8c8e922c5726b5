"""A gallery to be taken along: a table, a workbook, or a package of tables in a ZIP."""

import tempfile
import threading
import zipfile
from pathlib import Path
from typing import NamedTuple

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from reid_jax.app.refusals import RefusedError
from reid_jax.app.site import Site, who
from reid_jax.individuals.gallery.exchange import sheets, tables
from reid_jax.individuals.gallery.exchange.camtrap import About
from reid_jax.individuals.gallery.exchange.giving import give_out
from reid_jax.individuals.gallery.exchange.naming import safe_name
from reid_jax.individuals.gallery.exchange.taking import Form


class _Kind(NamedTuple):
    """Attributes: the form; the one file of it that is sent, "" for all in a ZIP; and its type."""

    form: Form
    file: str
    media: str


_KINDS = {
    "csv": _Kind("csv", tables.METADATA, "text/csv"),
    "xlsx": _Kind(
        "xlsx",
        sheets.WORKBOOK,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "camtrap-dp.zip": _Kind("camtrap-dp", "", "application/zip"),
}


class DownloadRoutes:
    """Routes by which a gallery leaves: names, notes, decisions, and no photos."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._alone = threading.Lock()

    def routes(self) -> list[Route]:
        """All of them."""
        return [Route("/v1/export/{kind}", self.download)]

    def download(self, request: Request) -> Response:
        """A file, written for this request and removed after it."""
        kind = _KINDS.get(request.path_params["kind"])
        if self._site.shelf is None or kind is None:
            raise RefusedError(404, f"There is no such export; there are {', '.join(_KINDS)}.")
        if not self._alone.acquire(blocking=False):
            raise RefusedError(429, "Another export is being written; try again in a moment.")
        try:
            folder = tempfile.TemporaryDirectory(prefix="reid_jax-")
            file = self._written(Path(folder.name), kind, who(request))
        finally:
            self._alone.release()
        name = safe_name(self._site.shelf.folder.name)
        ending = "zip" if not kind.file else file.suffix.lstrip(".")
        return FileResponse(
            file,
            media_type=kind.media,
            filename=f"{name}.{ending}",
            background=BackgroundTask(folder.cleanup),
        )

    def _written(self, folder: Path, kind: _Kind, name: str) -> Path:
        assert self._site.shelf is not None
        out = folder / "gallery"
        give_out(self._site.shelf.folder, kind.form, out, about=About(who=name))
        if kind.file:
            return out / kind.file
        archive = folder / "package.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(out.iterdir()):  # names of the standard, none of a person
                packed.write(path, path.name)
        return archive
