"""What programs may ask of a server, in the words of OpenAPI 3.1."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_NAME = {"name": "name", "in": "query", "schema": {"type": "string"}}
_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def _query(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": kind}}


_WHERE = (_query("where", "string"), _query("since", "string"), _query("until", "string"))
_OCCASIONS = (
    *(_query("by", "string"), _query("dates", "string"), _query("group", "string")),
    _query("confirmed", "boolean"),
)


def _json(**facts: str) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in facts.items()}
    return {"application/json": {"schema": {"type": "object", "properties": properties}}}


@dataclass(frozen=True)
class Operation:
    """One thing that may be asked.

    Attributes:
      method, path: how.
      summary: what it does, a line.
      says: statuses and what each means.
      takes: parameters in the path and behind it.
      body: what is sent, by its type; None where nothing is.
    """

    method: str
    path: str
    summary: str
    says: dict[int, str]
    takes: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = field(default=None)


OPERATIONS = (
    Operation(
        "post",
        "/v1/identify",
        "Sends a photo, waits, and gets its candidates: for camera stations",
        {
            200: "The photo with its verdict and candidates",
            202: "It waits for others; ask /v1/review/{id}",
            422: "It cannot be used; the reason",
        },
        (_NAME,),
        _FILE,
    ),
    Operation(
        "post",
        "/v1/photos",
        "Drops a photo into the inbox and does not wait",
        {201: "Taken", 200: "It was there already, by content", 429: "Too many wait"},
        (_NAME,),
        _FILE,
    ),
    Operation(
        "get",
        "/v1/photos",
        "Photos that were dropped: the last ones, or what changed after a number",
        {200: "Files, how many are in each state, and the number of the last change"},
        (_query("after", "integer"), _query("before", "number")),
    ),
    Operation(
        "delete",
        "/v1/photos/{id}",
        "Takes a photo off the list that nobody has decided on",
        {200: "It is gone", 409: "Somebody has decided"},
        (_ID,),
    ),
    Operation(
        "get",
        "/v1/review/next",
        "The photo that is worth most to decide and that nobody else looks at",
        {200: "The photo with its candidates, or null; and how many are left"},
        (_query("without", "string"),),
    ),
    Operation(
        "get",
        "/v1/review/{id}",
        "A photo with its candidates, or what was decided",
        {200: "The photo", 404: "There is none"},
        (_ID,),
    ),
    Operation(
        "post",
        "/v1/review/{id}",
        'Decides: kind is "is" with a name (new for a new individual), "not an animal" or '
        '"cannot tell"',
        {200: "Written down", 409: "Somebody was quicker; what they said", 422: "No such name"},
        (_ID,),
        _json(kind="string", name="string", new="boolean"),
    ),
    Operation(
        "delete",
        "/v1/review/{id}",
        "Takes the decision on a photo back",
        {200: "It is to be decided again", 422: "There is none"},
        (_ID,),
    ),
    Operation(
        "post",
        "/v1/review/{id}/box",
        "Draws a box on a photo to decide on, which is looked up anew: left, top, width and height "
        "as parts of one; with another, that part becomes a photo of its own",
        {200: "The photo, to be looked up", 422: "Why not"},
        (_ID,),
        _json(box="array", another="boolean"),
    ),
    Operation(
        "delete",
        "/v1/review/{id}/box",
        "Takes the last box on a photo back",
        {200: "The photo, to be looked up", 422: "There is none"},
        (_ID,),
    ),
    Operation(
        "post",
        "/v1/gallery/box",
        "Draws a box on a photo of the gallery, whose part is embedded in its place, or beside it "
        "where another individual is named",
        {200: "The number of the decision", 404: "There is no such photo", 422: "Why not"},
        (),
        _json(photo="string", box="array", another="string", new="boolean"),
    ),
    Operation(
        "get",
        "/v1/doubts",
        "Names that are worth a look: individuals that look like one, photos like another's",
        {200: "Pairs of photos, worth the most first, and whether they are still looked for"},
        (_query("again", "integer"),),
    ),
    Operation(
        "get",
        "/v1/individuals",
        "Names and how many photos each has; q searches, photos are filtered",
        {200: "Individuals", 422: "A condition means nothing"},
        (_query("q", "string"), *_WHERE),
    ),
    Operation(
        "get",
        "/v1/individual",
        "One individual: its photos with dates, positions and what is said of them, and its note",
        {200: "The individual", 404: "There is none of this name"},
        (_query("name", "string"),),
    ),
    Operation(
        "get",
        "/v1/gallery/history",
        "What was decided about the gallery or an individual, the last first",
        {200: "Decisions"},
        (_query("individual", "string"),),
    ),
    Operation(
        "post",
        "/v1/gallery/describe",
        "Says something (column, value) of photos, by their ids, or of all photos of an individual",
        {200: "The number of the decision", 409: "Somebody was quicker", 422: "Why not"},
        (),
        _json(photos="array", name="string", column="string", value="string"),
    ),
    Operation(
        "post",
        "/v1/gallery/threshold",
        "Says from which probability (value) a name is given; null for that of the calibration",
        {200: "The number of the decision", 409: "Somebody was quicker", 422: "Why not"},
        (),
        _json(value="number"),
    ),
    Operation(
        "get",
        "/v1/reports/sureness",
        "Whether probabilities are right, and what follows from each threshold",
        {200: "Numbers and how they were found; or null, and whether that is being found out"},
    ),
    Operation(
        "get",
        "/v1/reports/catches",
        "Photos, individuals and new individuals of each day, month, season or year (by)",
        {200: "Numbers", 422: "A condition means nothing"},
        (_query("by", "string"), _query("confirmed", "boolean"), *_WHERE),
    ),
    Operation(
        "get",
        "/v1/reports/population",
        "Encounter histories by occasion, photos that are left out, and an estimate with interval",
        {200: "Histories", 422: "A condition means nothing"},
        (*_OCCASIONS, *_WHERE),
    ),
    Operation(
        "get",
        "/v1/reports/encounters.csv",
        "Encounter histories as a table; also catches.csv, occasions.csv and left-out.csv",
        {200: "CSV", 422: "A condition means nothing"},
        (*_OCCASIONS, *_WHERE),
    ),
    Operation(
        "get",
        "/v1/reports/encounters.inp",
        "Encounter histories for program MARK",
        {200: "Text", 422: "A condition means nothing, or nobody was seen"},
        (*_OCCASIONS, *_WHERE),
    ),
    Operation(
        "get",
        "/v1/export/{kind}",
        "Who is who, without photos: csv, xlsx or camtrap-dp.zip",
        {200: "A file", 404: "There is no such export", 429: "Another one is being written"},
        ({**_ID, "name": "kind"},),
    ),
    Operation(
        "get",
        "/pictures/{size}/{id}",
        "A picture of a photo, large or small",
        {200: "A JPEG without the facts that a camera wrote"},
        ({**_ID, "name": "size"}, _ID),
    ),
    Operation(
        "post",
        "/v1/films",
        "Drops a film",
        {201: "Taken", 200: "It was there already", 404: "This server takes no films"},
        (_NAME,),
        _FILE,
    ),
    Operation("get", "/v1/films", "Films that were dropped", {200: "Films"}),
    Operation(
        "post",
        "/v1/films/{id}/choice",
        "Takes a frame of a film to its keyframes, or out of them; without one, back as found",
        {200: "The frames, and whether sheet and summary are made of them", 422: "Why not"},
        (_ID,),
        _json(frame="integer", chosen="boolean"),
    ),
    Operation(
        "post",
        "/v1/films/compare",
        "Says whether two films, by their ids, are of one video",
        {200: "The verdict, how alike they are, and which frames are", 422: "Why not"},
        (),
        _json(first="string", second="string"),
    ),
    Operation(
        "get",
        "/v1/training",
        "How far the training on what people said is, and what came of it",
        {200: "Its phase; losses; both networks compared", 404: "No gallery is served"},
    ),
    Operation(
        "post",
        "/v1/training",
        'do is "begin" with minutes, "go on", "stop", "take" the new embeddings, "refuse" them, or '
        '"back" to the former',
        {200: "How far it is now", 409: "That cannot be now; why"},
        (),
        _json(do="string", minutes="number"),
    ),
    Operation("get", "/healthz", "Whether the server lives", {200: "It does"}),
    Operation("get", "/readyz", "Whether it can answer", {200: "Yes", 503: "Not yet"}),
    Operation("get", "/metrics", "Numbers for Prometheus", {200: "Text"}),
)

CLIENT = """import json, sys, urllib.parse, urllib.request

SERVER, TOKEN = "{address}", ""  # reid-jax serve token NAME makes one

def identify(path):
    name = urllib.parse.quote(path.rpartition("/")[2])
    with open(path, "rb") as photo:
        request = urllib.request.Request(f"{{SERVER}}/v1/identify?name={{name}}", photo.read())
    if TOKEN:
        request.add_header("Authorization", f"Bearer {{TOKEN}}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

for path in sys.argv[1:]:
    print(path, identify(path)["answer"])
"""
"""A program of fifteen lines."""


def document(address: str) -> dict[str, Any]:
    """All of it as OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        said: dict[str, Any] = {
            "summary": each.summary,
            "parameters": list(each.takes),
            "responses": {str(status): {"description": text} for status, text in each.says.items()},
        }
        if each.body is not None:
            said["requestBody"] = {"required": True, "content": each.body}
        paths.setdefault(each.path, {})[each.method] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "reid_jax", "version": version("reid-jax")},
        "servers": [{"url": address}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }
