"""Commands about a gallery: call, and say in words what happened."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from reid_jax.commands.arguments import Network
from reid_jax.commands.terminal import writes
from reid_jax.console import counted, say
from reid_jax.errors import UserError
from reid_jax.training.network_words import with_options

Evidence = Literal["none", "local", "fused"]
Store = Literal["float32", "int8"]


@writes("out")
def build(
    workdir: Network,
    data: str,
    out: Path,
    strangers: float = 0.5,
    evidence: Evidence | None = None,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
    margin: float | None = None,
    box_confidence: float | None = None,
    side_column: str = "",
    coordinator: str = "",
    journal: str = "",
    store: Store = "float32",
) -> None:
    """Makes a gallery from photos of known individuals, or puts a new one in an old one's place.

    Args:
        workdir: Folder of the run whose network embeds the photos, or a published network: auto,
            pypi:NAME, hub:NAME or a file.
        data: Where the photos are: folder:PATH (a folder per individual), csv:PATH, ...
        out: Folder of the gallery.
        strangers: The share of the photos to come that is of individuals who are not in it; what is
            called unknown depends on it.
        evidence: By what photos are compared: the network (none), points in which they agree
            (local), or both (fused). By default both where OpenCV is installed.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
        margin: Of a published network and photos with boxes, what is seen around a box on each
            side, as a part of its width and height.
        box_confidence: Of a published network, boxes that a detector was less sure of are left out.
        side_column: The column that says which side of an animal is seen, as orientation; a column
            side needs no word. Photos of two sides are then compared only where nobody says which
            side is asked about.
        coordinator: Several processes that share the photos: HOST:PORT of the first one, or auto
            under SLURM and Open MPI. Shares are kept in OUT.shares until all are done; the same
            command goes on from them.
        journal: A PostgreSQL database that keeps who is who, postgresql://USER@HOST/DATABASE; its
            password comes from PGPASSWORD or ~/.pgpass. By default a file in OUT does, which at a
            URL one command at a time changes.
        store: How embeddings are kept: int8 is a quarter of the memory; what it loses is said.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery import members, words
    from reid_jax.individuals.gallery.stored.layout import is_gallery
    from reid_jax.training.hosts.shares import sharing

    keep_compilations()
    with sharing(coordinator, out) as shares:
        if is_gallery(out):
            say(f"{out} is a gallery already; the new one takes its place when it is finished.")
        seen = {"backbone": backbone, "views": views, "image_size": image_size}
        named = with_options(workdir, **seen, margin=margin, box_confidence=box_confidence)
        gallery, dataset = members.build(
            Path(named), data, out, strangers, shares, evidence, journal, side_column, store
        )
        say(words.source_text(dataset), end="")
        print(words.described(out, gallery))


@writes("out")
def cluster(
    data: str,
    out: Path,
    workdir: Network = Path("auto"),
    evidence: Evidence | None = None,
    threshold: float | None = None,
    burst_seconds: float = 0.0,
    names: bool = True,
    html: Path | None = None,
    strangers: float = 0.5,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
    margin: float | None = None,
    box_confidence: float | None = None,
    side_column: str = "",
) -> None:
    """Groups photos without names, so that each group is an individual of a new gallery.

    Args:
        data: Where the photos are, as for build; a folder of photos without any folders is enough.
        out: Folder of the gallery, with a page of the groups in it, groups.html.
        workdir: Folder of the run whose network embeds the photos, or a published network: auto,
            pypi:NAME, hub:NAME or a file.
        evidence: By what photos are compared, each with its 50 nearest: the network (none), points
            in which they agree (local), or both (fused). By default both where OpenCV is installed.
        threshold: How alike groups are that become one, above 0 and below 1; the higher, the more
            groups. By default it is chosen by names where there are enough, else by what stands out
            from photos drawn at random.
        burst_seconds: Photos that were taken at most so many seconds after each other are of one
            animal, by the dates of the source or of the photos; 0 does not look.
        names: Names that the source says are believed; photos of one name stay together, and of two
            apart. --no-names is for folders that are no individuals.
        html: File for the page, in another place.
        strangers: The share of the photos to come that is of individuals who are not in it.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
        margin: Of a published network and photos with boxes, what is seen around a box on each
            side, as a part of its width and height.
        box_confidence: Of a published network, boxes that a detector was less sure of are left out.
        side_column: The column that says which side of an animal is seen, as for build; photos of
            two sides are never compared, so a group is of one side unless names join them.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery import words
    from reid_jax.individuals.gallery.grouping import words as said
    from reid_jax.individuals.gallery.grouping.cluster import Asked
    from reid_jax.individuals.gallery.grouping.cluster import cluster as group_photos

    keep_compilations()
    named = with_options(
        workdir,
        backbone=backbone,
        views=views,
        image_size=image_size,
        margin=margin,
        box_confidence=box_confidence,
    )
    asked = Asked(evidence, threshold, burst_seconds, names, strangers, html, side_column)
    done = group_photos(Path(named), data, out, asked)
    say(words.source_text(done.dataset), end="")
    print(said.as_text(out, done.gallery, done.found))
    say(f"time: {said.times_text(done.spent)}")
    say(f"written: {done.page}")


@writes("gallery")
def add(
    gallery: Path,
    data: str,
    workdir: Path | None = None,
    correct: bool = False,
    evidence: Evidence | None = None,
    coordinator: str = "",
    who: str = "",
) -> None:
    """Adds photos; those that are in the gallery already, by path or content, stay as they are.

    Args:
        gallery: Folder of the gallery.
        data: Where the photos are, as for build.
        workdir: Where the run is now, should it have moved.
        correct: Photos that are there get the individual, date, camera and orientation that data
            says.
        evidence: By what photos are compared from now on, as for build; where that is new, points
            of all photos of the gallery are found. By default it stays as it is.
        coordinator: Several processes that share the new photos, as for build; shares are kept in
            GALLERY.shares.
        who: Who adds them; by default REID_JAX_WHO, or who is logged in.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery import members, words
    from reid_jax.individuals.gallery.decisions import Decisions
    from reid_jax.individuals.gallery.output import hubs_text
    from reid_jax.individuals.gallery.stored.reading import read_gallery
    from reid_jax.training.hosts.shares import sharing

    keep_compilations()
    with sharing(coordinator, gallery) as shares:
        done = members.add(
            gallery,
            data,
            workdir,
            correct=correct,
            shares=shares,
            evidence=evidence,
            who=who,
        )
        say(words.source_text(done.dataset), end="")
        already = f" ({done.there:,} were there already)" if done.there else ""
        print(f"{counted(done.added, 'photo')} added{already}")
        print(words.differences(done), end="")
        if done.added:
            print(words.returned_text(Decisions(gallery, who).read_since()), end="")
        now = read_gallery(gallery, thumbnails=False)
        print("\n".join(filter(None, [words.size_text(now), hubs_text(now)])))


@writes("gallery")
def remove(
    gallery: Path, identity: tuple[str, ...] = (), path: tuple[str, ...] = (), who: str = ""
) -> None:
    """Removes individuals with all their photos, or single photos.

    Args:
        gallery: Folder of the gallery.
        identity: Names of individuals.
        path: Photos, as info and identify name them.
        who: Who decides; by default REID_JAX_WHO, or who is logged in.
    """
    from reid_jax.individuals.gallery import members, words
    from reid_jax.individuals.gallery.stored.reading import read_gallery

    print(f"{counted(members.remove(gallery, identity, path, who), 'photo')} removed")
    print(words.size_text(read_gallery(gallery, thumbnails=False)))


@writes("gallery")
def reembed(
    gallery: Path,
    workdir: Network | None = None,
    take: Literal["new", "better", "before"] = "new",
    store: Store | None = None,
    who: str = "",
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
) -> None:
    """Embeds all photos of a gallery by another network; every decision is kept.

    Both networks search for photos that people have named, so that one sees which finds more.

    Args:
        gallery: Folder of the gallery.
        workdir: Folder of the run whose network embeds them from now on, or a published network:
            auto, pypi:NAME, hub:NAME or a file. By default the gallery's own once more, which makes
            all of it again from photos and decisions.
        take: Which embeddings the gallery has in the end: the new ones, the better ones by mAP, or
            those from before, so that both are compared alone.
        store: How embeddings are kept, as for build; by default as they were.
        who: Who wants it; by default REID_JAX_WHO, or who is logged in.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery.anew import words
    from reid_jax.individuals.gallery.anew.reembed import reembed as embed_anew

    keep_compilations()
    options = {"backbone": backbone, "views": views, "image_size": image_size}
    named = None if workdir is None else Path(with_options(workdir, **options))
    if named is None and any(value not in (None, "") for value in options.values()):
        raise UserError("Say which published network that is about, with --model.")
    print(words.as_text(embed_anew(gallery, named, take=take, store=store, who=who)))


def info(gallery: Path) -> None:
    """Says what is in a gallery, which network embedded it and when an answer is believed.

    Args:
        gallery: Folder of the gallery.
    """
    from reid_jax.individuals.gallery.calibrating import calibrated
    from reid_jax.individuals.gallery.stored.reading import read_gallery
    from reid_jax.individuals.gallery.words import described

    print(described(gallery, calibrated(read_gallery(gallery, thumbnails=False))))


def identify(
    gallery: Path,
    photos: Positional[Annotated[tuple[str, ...], arg(metavar="PHOTO ...")]],
    json: Path | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    table: Path | None = None,
    workdir: Path | None = None,
    score: Literal["max", "mean", "vote"] = "max",
    index: Literal["exact", "faiss"] = "exact",
    strangers: float | None = None,
    evidence: Evidence | None = None,
    side: str = "",
    boxes: Path | None = None,
) -> None:
    """Says for each photo, or each track of a film, who it probably is, or that it is unknown.

    Args:
        gallery: Folder of the gallery.
        photos: Photos, folders with photos, or boxes, as csv:FILE or megadetector:FILE. Or films,
            of which each track gets an answer.
        json: File for all answers.
        csv: File for all answers, a row for each candidate.
        html: File for a page with the pictures side by side.
        table: CSV file for people, a row for each photo, which Excel and others open.
        workdir: Where the run is now, should it have moved.
        score: An individual is as similar as its most similar photo (max), as its photos on average
            (mean), or the most similar photos vote (vote).
        index: Compare with every photo (exact), or look only into the promising part of a gallery
            of millions (faiss).
        strangers: The share of these photos that is of individuals who are not in the gallery; by
            default what the gallery was built with.
        evidence: By what photos are compared, as for build; by default what the gallery was built
            with.
        side: Which side of animals these photos show, as left; they are then compared with photos
            of that side alone, and an unknown one may be known from another side.
        boxes: Of films, where animals are in their frames: JSON of MegaDetector, or CSV with
            columns frame and bbox. Without, a scene is one track.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.files import check_destinations, write_text
    from reid_jax.individuals.gallery import identify as search
    from reid_jax.individuals.gallery import output
    from reid_jax.individuals.gallery.films.identify import (
        films_among,
        identify_films,
        tracks_text,
    )
    from reid_jax.individuals.gallery.sheet import as_html
    from reid_jax.individuals.gallery.spreadsheet import as_spreadsheet

    keep_compilations()
    check_destinations(json, csv, html, table)
    if films := films_among(photos, boxes, index):
        found, tracks, notes = identify_films(
            *(gallery, films, boxes),
            workdir=workdir,
            rule=score,
            strangers=strangers,
            evidence=evidence,
            side=side,
        )
        print(tracks_text(tracks, [output.shown(each.text) for each in found.answers], notes))
    else:
        found = search.identify(
            gallery,
            photos,
            workdir=workdir,
            rule=score,
            index=index,
            strangers=strangers,
            evidence=evidence,
            side=side,
        )
    if found.answers:
        print(f"{output.as_table(found)}\n\n{output.summary(found)}")
    elif len(found.skipped) > 1:  # of one the error says why
        print(output.skipped_text(found.skipped))
    for path, content in (
        (json, output.as_json),
        (csv, output.as_csv),
        (html, as_html),
        (table, as_spreadsheet),
    ):
        if path is not None:
            write_text(path, content(found))
            say(f"written: {path}")
    search.check_answered(found)


def doubts(gallery: Path) -> None:
    """Names what is worth a look: individuals that look like one, photos that look like another's.

    Args:
        gallery: Folder of the gallery.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.gallery.mending.doubts import find_doubts
    from reid_jax.individuals.gallery.words import doubts_text

    keep_compilations()
    print(doubts_text(find_doubts(gallery)))


def duplicates(gallery: Path) -> None:
    """Names pictures that are in the gallery twice, and individuals that look like one.

    Args:
        gallery: Folder of the gallery.
    """
    from reid_jax.compilations import keep_compilations
    from reid_jax.individuals.closeness import closeness_of
    from reid_jax.individuals.gallery.mending.duplicates import find_duplicates
    from reid_jax.individuals.gallery.words import pairs_text

    keep_compilations()
    found = find_duplicates(gallery)
    print(f"The same picture twice: {counted(len(found.pictures), 'pair')}")
    print(pairs_text(found.gallery, found.pictures, as_pictures=True), end="")
    if found.threshold is None:
        print(f"Individuals that look like one: not judged, {found.why}")
        return
    close = closeness_of(found.gallery.settings["metric"]).reaching(found.threshold)
    print(f"Individuals that look like one ({close}): {counted(len(found.individuals), 'pair')}")
    print(pairs_text(found.gallery, found.individuals, as_pictures=False), end="")
