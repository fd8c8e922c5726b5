"""What the driver of a run knows of a question: how it is asked, and with what it is trained."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from reid_jax.errors import UserError
from reid_jax.training.experiment import Experiment
from reid_jax.training.parallel import Layout

Config = TypeVar("Config")
Data = TypeVar("Data")


class Question(ABC, Generic[Config, Data]):
    """Something that runs answer: who is this, which frames matter.

    A question says what it is trained on and how it is judged; `reid_jax.training.run` does the
    rest: locks, checkpoints, going on, several devices, the log. `Config` is a frozen dataclass
    with `data`, `optimizer` and `train`; `Data` is whatever `load_data` makes.

    Attributes:
      about: what a run of it is, in words.
      config: the kind of its configurations.
      free: fields that may change between two sessions of one run, beside those of any run.
    """

    about: str
    config: type[Config]
    free: Collection[str] = ()

    @abstractmethod
    def check(self, config: Config) -> None:
        """Refuses what can be seen to be impossible without the data.

        Raises:
          UserError: naming the field, its value and what would be right.
        """

    def complete(self, config: Config) -> Config:
        """The configuration with what no longer depends on the folder a command was given in."""
        return config

    def going_on(self, workdir: Path, config: Config) -> Config:
        """The configuration with what the run in `workdir` has chosen or began with."""
        del workdir
        return config

    def trains_together(self, config: Config) -> bool:
        """Whether several processes can train it; what takes minutes on features has no use."""
        del config
        return False

    @abstractmethod
    def load_data(self, config: Config, workdir: Path) -> tuple[Config, Data]:
        """The data, and the configuration with what is chosen by them."""

    @abstractmethod
    def build(self, config: Config, data: Data) -> Experiment:
        """What the loop runs."""

    def imagined(self, config: Config, individuals: int, photos: int) -> Experiment:
        """What the loop would run for a set of so many individuals and photos that is not there.

        It has shapes in the place of what would be read; nothing but a compiler can use it. Of
        videos, `individuals` are videos and `photos` their frames.

        Raises:
          UserError: the question does not say.
        """
        del config, individuals, photos
        raise UserError(f"What {self.about} would need cannot be said without its data.")

    def choose(self, config: Config, data: Data, layout: Layout, started: float) -> Config:
        """The configuration with what is left to its data and the time it has; says what and why.

        Args:
          started: when the run began, by `time.perf_counter`.
        """
        del data, layout, started
        return config

    def batch_bounds(self, config: Config, data: Data) -> tuple[int, int]:
        """For a batch size of `auto`: what it is a multiple of, and the most that makes sense.

        Raises:
          UserError: the question has no batch size to find.
        """
        del config, data
        raise UserError("data.batch_size is auto, which is for networks of images; give a number.")

    def loaded(self, workdir: Path, data: Data) -> None:
        """Says what there is, and refuses what cannot be judged; several processes compare it."""

    def keep(self, workdir: Path, config: Config, data: Data) -> None:
        """Writes into the folder what of the data has to be known later.

        The configuration there is still the one before: it says where the data were.
        """

    @abstractmethod
    def report(self, workdir: Path) -> dict[str, Any]:
        """Judges a run on what it held out; prints, writes WORKDIR/report, returns the measures."""

    def report_trained(self, workdir: Path, config: Config, data: Data) -> None:
        """The report after training, when the data are loaded already."""
        del config, data
        self.report(workdir)

    @abstractmethod
    def load(self, workdir: Path) -> Any:
        """The best network of a run, with the question's own word as a method."""

    def compare_runs(self, workdirs: Sequence[Path], out: Path | None = None) -> dict[str, Any]:
        """Prints which differences between runs are more than luck; writes it where `out` is.

        Returns what was found.

        Raises:
          UserError: the runs cannot be compared.
        """
        del workdirs, out
        raise UserError(f"There is no comparison of runs of {self.about}.")
