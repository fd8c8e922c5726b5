"""Whether a folder is a Camtrap DP, as frictionless and the published schemas see it; no network.

The profile refers to two schemas that lie elsewhere. That of data packages is the one that
frictionless brings; of GeoJSON (RFC 7946) the kinds of geometries are checked.
"""

import json
from pathlib import Path
from typing import Any

from reid_jax.console import others_quiet
from reid_jax.errors import missing
from reid_jax.individuals.gallery.exchange.camtrap import DESCRIPTOR, TABLES, kept_schema

_PACKAGE = "https://specs.frictionlessdata.io/schemas/data-package.json"
_GEOJSON = "http://json.schemastore.org/geojson.json"
_GEOMETRY = {
    "type": "object",
    "required": ["type", "coordinates"],
    "properties": {
        "type": {
            "enum": [
                *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon"),
                "MultiPolygon",
            ]
        },
        "coordinates": {"type": "array", "minItems": 1},
    },
}


def check_installed() -> None:
    """Raises a UserError where frictionless is missing."""
    try:
        import frictionless  # noqa: F401
    except ImportError as error:
        raise missing("Camtrap DP", "frictionless", "exchange") from error


def wrong_in(folder: Path) -> list[str]:
    """What is wrong with a package: in its descriptor, and in the rows of its tables."""
    check_installed()
    from frictionless import Package

    descriptor = json.loads((folder / DESCRIPTOR).read_text("utf-8"))
    found = _wrong_in_descriptor(descriptor)
    if found:
        return found
    resources = [
        {**each, "schema": kept_schema(each["name"])} if each["name"] in TABLES else each
        for each in descriptor["resources"]
    ]
    whole = {**descriptor, "resources": resources}
    del whole["profile"]  # it has just been looked at, and would be fetched
    with others_quiet():
        report = Package.from_descriptor(whole, basepath=str(folder)).validate()
    facts = ("title", "rowNumber", "fieldName", "note")
    return [
        ", ".join(str(value) for value in row if value is not None) for row in report.flatten(facts)
    ]


def _wrong_in_descriptor(descriptor: dict[str, Any]) -> list[str]:
    from frictionless import Package
    from jsonschema import Draft4Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    others = {_PACKAGE: dict(Package.metadata_profile), _GEOJSON: _GEOMETRY}
    registry: Any = Registry().with_resources(
        (url, Resource.from_contents(schema, default_specification=DRAFT4))
        for url, schema in others.items()
    )
    validator = Draft4Validator(kept_schema("camtrap-dp-profile"), registry=registry)
    return [
        f"{'.'.join(map(str, error.path)) or 'the package'}: {error.message[:200]}"
        for error in validator.iter_errors(descriptor)
    ]
