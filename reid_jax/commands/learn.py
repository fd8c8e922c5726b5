"""Commands that train runs, judge them, and say what can be trained."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from reid_jax import configurations
from reid_jax.commands.arguments import Network, with_config, with_values
from reid_jax.commands.terminal import UsageError, reads_words, use_huge_pages
from reid_jax.training.network_words import with_options

if TYPE_CHECKING:
    from reid_jax.reporting.cost import Layer


@reads_words
def train(words: list[str]) -> None:
    """`train CONFIG --workdir DIR [fields]`; alone, lists the configurations.

    Raises:
      UsageError: there are fields, but no configuration.
    """
    name, fields = _configuration_first(words)
    if not name and (not words or {"-h", "--help"} & set(words)):
        print(listing())
        return
    if not name:
        raise UsageError(f"No configuration is named: reid-jax train CONFIG {' '.join(fields)}")
    path = configurations.find(name)
    use_huge_pages()
    config = configurations.get(name)
    default, fields = _from_published(config, _taught(config, fields))
    workdir, config = asked(default, fields, f"reid-jax train {path.stem}")

    from reid_jax.questions import train

    train(config, workdir)


def _configuration_first(words: list[str]) -> tuple[str, list[str]]:
    """The first word that belongs to no flag, of which each has a value; and the others."""
    place = 0
    while words[place : place + 1] and words[place].startswith("-"):
        place += 1 if "=" in words[place] or words[place] in ("-h", "--help") else 2
    return "".join(words[place : place + 1]), words[:place] + words[place + 1 :]


def _taught(config: Any, words: list[str]) -> list[str]:
    """The words, in which `--distill TEACHER` is the field that it stands for.

    Raises:
      UserError: what is configured learns from no teacher.
    """
    from reid_jax.errors import UserError

    found = [re.sub(r"^--distill(?==|$)", "--distill.teacher", word) for word in words]
    if found != words and not hasattr(config, "distill"):
        raise UserError("--distill is for networks of photos and of keyframes, not of clips.")
    return found


def _from_published(config: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The configuration as the published weights that words name want it, and the words.

    Raises:
      UserError: they name a published network that there is not.
    """
    from reid_jax.individuals.config import EmbeddingConfig

    found = list(words)
    for flag in ("--model.pretrained", "--pretrained"):
        if flag in found[:-1]:
            place = found.index(flag)
            found[place : place + 2] = ["=".join(found[place : place + 2])]
        for place, word in enumerate(found):
            if word.startswith(f"{flag}=") and isinstance(config, EmbeddingConfig):
                from reid_jax.individuals.published import best_here, starting_from

                source = word.partition("=")[2]
                source = best_here() if source == "auto" else source
                config = starting_from(config, source)
                found[place] = f"{flag}={source}"
    return config, found


def asked(default: Any, words: list[str], prog: str) -> tuple[Path, Any]:
    """The folder of a run, and the configuration with what words change in it.

    Raises:
      UserError: the configuration refuses a value.
    """

    def train_run(
        workdir: Path,
        config: Annotated[type(default), arg(name="")] = default,  # type: ignore[valid-type]
    ) -> tuple[Path, Any]:
        """Trains, then writes a report. The same command again goes on where it stopped.

        Args:
            workdir: Folder of the run; made when it is not there. A URL (s3://, gs://) is worked on
                in a copy here, which is uploaded while it trains.
            config: The experiment.
        """
        return workdir, config

    found: tuple[Path, Any] = with_config(train_run, prog, with_values(words, default))
    return found


def listing() -> str:
    """All configurations, with what each needs and the score to expect."""
    found = [configurations.describe(configurations.find(name)) for name in configurations.names()]
    lines = ["usage: reid-jax train CONFIG --workdir DIR [fields]", ""]
    for each in found:
        lines += [f"{each.name:<28}{each.text}", f"{'':<28}needs {each.needs}; {each.score}"]
    lines += ["", "CONFIG is a name of these, or a Python file of your own with get_config()."]
    lines += ["reid-jax train CONFIG --help explains every field."]
    return "\n".join(lines)


def evaluate(
    workdir: Network,
    data: str | None = None,
    query: str | None = None,
    gallery: str | None = None,
    out: Path | None = None,
    photos: str | None = None,
    videos: Path | None = None,
    rerank: bool = False,
    evidence: Literal["none", "local", "fused"] | None = None,
    json: Path | None = None,
    backbone: str = "",
    views: int | None = None,
    image_size: int | None = None,
    margin: float | None = None,
    box_confidence: float | None = None,
    coordinator: str = "",
) -> None:
    """Prints metrics beside those of baselines, and writes a report.

    Args:
        workdir: Folder of the run, or a published network: auto, pypi:NAME, hub:NAME or a file.
        data: Another source of photos (folder:PATH, csv:PATH, ...); where it has a column "split"
            with query and gallery, the one is searched in the other, else each photo in all others.
            For a keyframe run another H5 file, all videos. By default what the run held out.
        query: A source of photos that are searched for, in those of --gallery; individuals of the
            same name are the same.
        gallery: A source of photos that are searched in.
        out: Folder of the report; by default report in the run's folder, or one beside it that is
            called after the source.
        photos: Where the photos of the run are now, should they have moved (folder:PATH, ...); they
            are found by their content, and the run remembers it.
        videos: Where the H5 file of the run is now, should it have moved, with splits and frames
            beside it as before; they are compared by content, and the run remembers it.
        rerank: Also rank anew by k-reciprocal neighbours, and report both.
        evidence: Also search by points in which photos agree (local), and by these and the network
            together (fused). By default both where OpenCV is installed; none does without.
        json: File for the numbers.
        backbone: Of a published network from a file, hub or hub:OWNER/REPOSITORY, which one it is.
        views: Of a published network, how many altered copies of a photo are embedded with it.
        image_size: Of a published network, the side in pixels at which it sees photos.
        margin: Of a published network and photos with boxes, what is seen around a box on each
            side, as a part of its width and height.
        box_confidence: Of a published network, boxes that a detector was less sure of are left out.
        coordinator: Several processes that share photos, or videos of a keyframe run: HOST:PORT of
            the first one, or auto under SLURM and Open MPI. Shares are kept beside the report until
            all are done; the same command goes on from them.
    """
    from reid_jax.files import check_destinations, write_text
    from reid_jax.questions import report
    from reid_jax.reporting.plain_json import plain_json

    check_destinations(json)
    named = with_options(
        workdir,
        backbone=backbone,
        views=views,
        image_size=image_size,
        margin=margin,
        box_confidence=box_confidence,
    )
    facts = report(
        Path(named),
        source=data,
        query=query,
        gallery=gallery,
        out=out,
        rerank=rerank,
        evidence=evidence,
        photos=photos,
        videos=videos,
        coordinator=coordinator,
    )
    if json is not None and facts:
        write_text(json, plain_json(facts))


def compare(runs: Positional[tuple[Path, ...]], out: Path | None = None) -> None:
    """Prints a table of runs, and says which differences are more than luck.

    Args:
        runs: Folders of two runs or more, of one kind.
        out: Folder for comparison.txt, comparison.json and figures: performance.png, the runs side
            by side in five measures; of embeddings roc.png and precision_recall.png, of keyframe
            scores curves.png and scatter.png, of similarities of videos roc.png,
            precision_recall.png and kinds.png.
    """
    from reid_jax.questions import compare_runs

    compare_runs(runs, out)


def losses(out: Path = Path("losses")) -> None:
    """Writes a PNG a family of objectives, and index.md with all of them.

    Args:
        out: Folder for the pictures.
    """
    from reid_jax.reporting.loss_figures import draw_losses

    for file, words in draw_losses(out):
        print(f"{out / file}: {words}")
    print(f"all of them: {out / 'index.md'}")


def models(
    name: Positional[str | None] = None,
    size: int | None = None,
    compiled: bool = True,
    speed: bool = False,
    temporal: bool = False,
    keyframes: bool = False,
    json: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Prints the published networks that have a name, the table of all, or the layers of one.

    Args:
        name: One network, to be printed layer by layer: of images, over time ("keyframe scorer",
            attention, ...), or a keyframe network from images ("Model 1").
        size: Side of the images in pixels instead of each network's own.
        compiled: Without it the multiply-adds in the compiled program are not counted, which takes
            some seconds a network.
        speed: Also measure images a second on this device (slow on a CPU).
        temporal: Instead of image networks, what modules over the frames of a video cost.
        keyframes: Instead of image networks, the parts of the two keyframe networks from images.
        json: File for the same numbers.
        plot: PNG file for a drawing of the one network: its parts in the order in which they run,
            with the shapes that they give.
    """
    from reid_jax.errors import UserError
    from reid_jax.files import atomic_write, check_destinations
    from reid_jax.reporting.cost import table_of_layers
    from reid_jax.reporting.drawing import draw_network

    check_destinations(json, plot)
    if plot is not None and (name is None or plot.suffix.lower() != ".png"):
        raise UserError("--plot draws one network into a PNG file: name both.")
    if name is not None:
        given, layers = _layers(name, size)
        print(table_of_layers(layers))
        if plot is not None:
            with atomic_write(plot) as file:
                file.write(draw_network(name, given, layers))
            print(f"drawn: {plot}")
        return
    rows = _keyframe_rows(size, speed) if keyframes else _rows(size, compiled, speed, temporal)
    if json is not None:
        _write(rows, json)


def _layers(name: str, size: int | None) -> tuple[str, "list[Layer]"]:
    """What goes into a network, in words, and its layers."""
    from reid_jax.architectures.keyframes import KEYFRAME_MODELS, keyframe_layers
    from reid_jax.architectures.temporal import temporal_layers, temporal_module_names
    from reid_jax.models import backbone_info
    from reid_jax.reporting.cost import layers_of_network

    if name in temporal_module_names():
        return "features: 256 x 1280", temporal_layers(name)
    if name in KEYFRAME_MODELS:
        side = size or backbone_info(KEYFRAME_MODELS[name][0]).inputs.input_size
        return f"images: 16 x {side} x {side} x 3", keyframe_layers(name, input_size=size)
    inputs = backbone_info(name).inputs
    side = size or inputs.input_size
    return f"image: {side} x {side} x {len(inputs.mean)}", layers_of_network(name, input_size=size)


def _keyframe_rows(size: int | None, speed: bool) -> list[dict[str, Any]]:
    from reid_jax.architectures.keyframes import (
        KEYFRAME_MODELS,
        keyframes_table,
        summarize_keyframes,
    )

    rows = [summarize_keyframes(each, input_size=size, speed=speed) for each in KEYFRAME_MODELS]
    print(keyframes_table(rows).as_markdown())
    return rows


def _rows(size: int | None, compiled: bool, speed: bool, temporal: bool) -> list[dict[str, Any]]:
    """A line is printed when it is known."""
    from reid_jax.architectures.temporal import (
        summarize_temporal,
        temporal_module_names,
        temporal_table,
    )
    from reid_jax.models import backbone_names
    from reid_jax.reporting.cost import costs_table, summarize
    from reid_jax.reporting.published import published_table

    if not temporal:
        print(published_table().as_markdown(), end="\n\n", flush=True)
    rows: list[dict[str, Any]] = []
    for each in temporal_module_names() if temporal else backbone_names():
        if temporal:
            rows.append(summarize_temporal(each, speed=speed))
        else:
            rows.append(summarize(each, input_size=size, compiled=compiled, speed=speed))
        table = (temporal_table if temporal else costs_table)(rows)
        lines = table.as_markdown().splitlines()
        print("\n".join(lines if len(rows) == 1 else lines[-1:]), flush=True)
    return rows


def _write(rows: list[dict[str, Any]], file: Path) -> None:
    from reid_jax.files import write_text

    write_text(file, json.dumps(rows, indent=1) + "\n")
