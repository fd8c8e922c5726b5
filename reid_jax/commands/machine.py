"""Commands about the machine that a training runs on."""

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from reid_jax import configurations
from reid_jax.commands.arguments import with_config, with_values
from reid_jax.commands.terminal import reads_words
from reid_jax.console import counted, say
from reid_jax.errors import UserError
from reid_jax.remote.folders import mirrored


@reads_words
def plan(words: list[str]) -> None:
    """`plan CONFIG --device NAME [--devices N,N,...] [fields]`."""
    from reid_jax.plan.accelerators import accelerators

    if not words or words[0] in ("-h", "--help"):
        print(
            "usage: reid-jax plan CONFIG --device NAME [--devices N,N,...] [fields]\n\n"
            "What a training or an embedding run needs and costs on accelerators that are not here;"
            f"\ncompiled for them, never run. Devices: {', '.join(accelerators())}.\n\n"
            "reid-jax plan CONFIG --help explains every argument."
        )
        return
    path = configurations.find(words[0])
    _announce(path.stem, words[1:])
    given = _asked(configurations.get(words[0]), words[1:], f"reid-jax plan {path.stem}")

    from reid_jax.plan.plan import Question, plan_and_report

    config, json, plot = (given.pop(name) for name in ("config", "json", "plot"))
    with mirrored(*filter(None, [json, plot])):
        plan_and_report(config, Question(**given), json, plot, name=path.stem)


def _announce(name: str, words: list[str]) -> None:
    """Says what comes, or that there is no such machine, before what imports JAX for seconds."""
    from reid_jax.plan.accelerators import accelerator

    after = dict(zip(words, [*words, ""][1:], strict=True))
    after |= dict(word.split("=", 1) for word in words if "=" in word)
    if not after.get("--device") or {"-h", "--help"} & after.keys():
        return
    chip = accelerator(after["--device"])
    for count in _counts(after.get("--devices", "1")):
        chip.check(count)
    say(f"planning {name} for {chip.name}")


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(int, text.split(",")))
    except ValueError as error:
        raise UserError(
            f"--devices is {text!r}; it is numbers with commas between: 1,8,64."
        ) from error


_SWITCHES = ("--largest-batch", "--explain")


def _asked(default: Any, words: list[str], prog: str) -> dict[str, Any]:
    """The arguments of `plan` by name."""

    def planned(
        device: str,
        devices: str = "1",
        what: Literal["step", "embed", "evaluate", "search"] = "step",
        identities: int | None = None,
        photos: int | None = None,
        gallery: int | None = None,
        queries: int | None = None,
        largest_batch: bool = False,
        explain: bool = False,
        decode_rate: float | None = None,
        cores: int = 0,
        json: Path | None = None,
        plot: Path | None = None,
        config: Annotated[type(default), arg(name="")] = default,  # type: ignore[valid-type]
    ) -> dict[str, Any]:
        """What a training needs and costs on accelerators that are not here.

        The step is compiled by the device's own compiler (extra `plan`) and never run. GFLOP: two a
        multiply-add of every product and convolution of the traced step, loops times their trips.
        Kernels: instructions of the compiled program that launch something (no parameter, tuple,
        get-tuple-element, bitcast, constant or iota), a loop's body times its trips. GB moved: the
        bytes of their operands and results, each once, a slice only for what it takes, on a TPU
        nothing for on-chip memory. ms: a lower bound from these and the published rates. Workspaces
        of convolutions are not in the memory.

        Args:
            device: The accelerator: h100, h200, a100, b200, l4, v5e, v5p or v6e.
            devices: How many, or several numbers with commas between: 1,8,64,256.
            what: A training step; or one call that embeds a batch; or all of an evaluation or of a
                search.
            identities: Training individuals (of videos, videos); by default those of the data, or
                1,000.
            photos: Of the training set (of videos, frames); by default those of the data, or four
                an individual.
            gallery: Photos that are searched, of evaluate and search; by default 100,000.
            queries: Photos that are searched for, of evaluate and search; by default 10,000.
            largest_batch: Also find the largest batch that fits: two more compilations.
            explain: Also list the ten heaviest groups of kernels, by layer and kind.
            decode_rate: Photos a second that one core of a host decodes; by default this machine's,
                measured for a second.
            cores: Of all hosts together; with it, the bound may be input.
            json: File for a list of rows.
            plot: File for a picture of scaling (PNG).
            config: The experiment.
        """
        return dict(locals())

    given: dict[str, Any] = with_config(planned, prog, with_values(words, default, _SWITCHES))
    given.pop("default", None)
    return given | {"devices": _counts(given["devices"])}


def scale(
    devices: tuple[int, ...] = (1, 2, 4, 8), json: Path | None = None, plot: Path | None = None
) -> None:
    """Prints weak and strong scaling, the bytes between devices, and a model with its assumptions.

    Args:
        devices: How many devices to measure; parts of the CPU where there is no accelerator.
        json: File for the numbers.
        plot: File for a picture (PNG).
    """
    from reid_jax.plan.scale_report import measure_and_report

    measure_and_report(devices, json, plot)


def cache_info() -> None:
    """Says what is kept of photos that earlier commands have read and embedded, and where.

    The environment's REID_JAX_CACHE_GB says how much may be kept, 5 by default and 0 for nothing;
    what was not used for longest goes first. --no-cache does without for one command.
    """
    from reid_jax.data import cache

    there = cache.contents()
    print(f"{counted(there.values, 'row')} in {there.size / 1e6:,.1f} MB: {there.file}")
    print(f"at most {there.limit / 1e9:g} GB ({cache.LIMIT} says otherwise)")


def cache_clear() -> None:
    """Forgets what is kept of photos; the next command embeds them again."""
    from reid_jax.data import cache

    print(f"{cache.clear() / 1e6:,.1f} MB removed: {cache.cache_file()}")
