"""Checkpoints on disk: the latest states to go on from, and the best variables to use.

The only file that imports Orbax. Writing is asynchronous and atomic: a step's folder appears under
its name when it is complete. A folder that cannot be read all the same (a broken disk) is set
aside, named, and the one before it is used.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from reid_jax.errors import UserError
from reid_jax.training.state import TrainState

Tree = Any
_KEPT = 2  # one to go on from, and one before it should that be damaged


class Checkpoints:
    """The `checkpoints/` folder of a run.

    Args:
      folder: made when it is not there, unless only read.
      say: called with one line when a damaged checkpoint had to be set aside.
      read_only: touch nothing, so that a run can be looked at while it trains.
    """

    def __init__(
        self, folder: Path, say: Callable[[str], None] = print, *, read_only: bool = False
    ):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax narrates every file it writes
        self._folder = folder.resolve()
        self._say = say
        self._read_only = read_only
        self._latest = self._manager("latest", _KEPT)
        self._best = self._manager("best", None)

    def _manager(self, name: str, kept: int | None) -> ocp.CheckpointManager:
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None if self._read_only else kept,
            create=not self._read_only,
            cleanup_tmp_directories=not self._read_only,
            read_only=self._read_only,
        )
        return ocp.CheckpointManager(self._folder / name, options=options)

    @property
    def latest_step(self) -> int | None:
        """The step of the last complete checkpoint."""
        return self._latest.latest_step()

    def save_latest(self, state: TrainState, progress: dict[str, Any]) -> None:
        """Starts writing the whole state and the trainer's own progress (JSON).

        Waits for the best one first: a state that remembers a best step never exists without it.
        """
        self._forget_older_bests()
        self._save(self._latest, int(state.step), _as_tree(state), progress)

    def save_best(self, state: TrainState, progress: dict[str, Any]) -> None:
        """Starts writing what is needed to use the network."""
        self._forget_older_bests()
        variables = {"params": state.evaluated_params, "model_state": state.model_state}
        self._save(self._best, int(state.step), variables, progress)

    def _forget_older_bests(self) -> None:
        """Keeps, once it is written, the newest one, and those of the states that are kept.

        Whichever state a run goes on from, what was the best by then is still there.
        """
        self._wait_for(self._best)
        bests = self._best.all_steps()
        ends = [*self._latest.all_steps(), max(bests, default=0)]
        needed = {max((best for best in bests if best <= end), default=0) for end in ends}
        for step in set(bests) - needed:
            self._best.delete(step)

    def _save(
        self, manager: ocp.CheckpointManager, step: int, tree: Tree, progress: dict[str, Any]
    ) -> None:
        if step in manager.all_steps():
            return
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(tree), progress=ocp.args.JsonSave(progress)
        )
        try:
            manager.save(step, args=items)
        except Exception as error:
            raise self._unwritable(step, error) from error

    def wait(self) -> None:
        """Returns when everything is on the disk.

        Raises:
          UserError: when it could not be written; the checkpoints before it are intact.
        """
        self._wait_for(self._best)
        self._wait_for(self._latest)

    def _wait_for(self, manager: ocp.CheckpointManager) -> None:
        try:
            manager.wait_until_finished()
        except Exception as error:
            raise self._unwritable(None, error) from error

    def _unwritable(self, step: int | None, error: Exception) -> UserError:
        which = "A checkpoint" if step is None else f"The checkpoint of step {step}"
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        self._latest.reload()
        intact = self.latest_step
        rest = "no checkpoint exists yet" if intact is None else f"that of step {intact} is intact"
        return UserError(
            f"{which} could not be written to {self._folder} ({reason}); {rest}. Where the disk is "
            "full, make room; the same command goes on from there."
        )

    def restore_latest(self, template: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The last readable state and progress, or None when there is none.

        Best checkpoints of later steps are removed: those steps will be done again.

        Args:
          template: a state with the same structure, shapes and dtypes.

        Raises:
          UserError: when a checkpoint is whole but of another network.
        """
        while (step := self.latest_step) is not None:
            try:
                tree, progress = self._read(self._latest, step, _as_tree(template))
            except Exception as error:
                if self._is_whole(step):
                    raise UserError(
                        f"The checkpoint of step {step} in {self._folder} does not fit what the "
                        "configuration and the photos make now; train into another --workdir."
                    ) from error
                self._set_aside(step, error)
                continue
            self._forget_best_after(step)
            return template.replace(**tree), progress
        self._forget_best_after(-1)
        return None

    def _is_whole(self, step: int) -> bool:
        try:
            self.read_raw(step)
        except Exception:
            return False
        return True

    def _forget_best_after(self, step: int) -> None:
        for later in [best for best in self._best.all_steps() if best > step]:
            self._best.delete(later)

    def restore_best(self) -> tuple[Tree, Tree, dict[str, Any]] | None:
        """Parameters, model state and progress of the best step, or None when there is none.

        Should the best one be damaged, the latest takes its place, and that is said.

        Raises:
          UserError: when that cannot be read either.
        """
        step = self._best.latest_step()
        if step is None:
            return None
        try:
            tree, progress = self._read(self._best, step, None)
            return tree["params"], tree.get("model_state", {}), progress
        except Exception as error:
            damaged = f"{self._folder / 'best' / str(step)} cannot be read ({type(error).__name__})"
        try:
            latest = self.latest_step
            tree, progress = self.read_raw(-1 if latest is None else latest)
        except Exception as error:
            raise UserError(f"{damaged}, nor can the latest checkpoint; train again.") from error
        self._say(f"{damaged}; the checkpoint of step {latest} is used in its place.")
        params = tree.get("ema", tree["params"])
        return params, tree.get("model_state", {}), {**progress, "best_step": latest}

    def read_raw(self, step: int) -> tuple[Tree, dict[str, Any]]:
        """What a latest checkpoint holds, as nested dicts of arrays, whatever trained it."""
        return self._read(self._latest, step, None)

    def _read(
        self, manager: ocp.CheckpointManager, step: int, template: Tree | None
    ) -> tuple[Tree, dict[str, Any]]:
        if template is not None:
            template = jax.tree.map(ocp.utils.to_shape_dtype_struct, template)
        items = manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(template), progress=ocp.args.JsonRestore()
            ),
        )
        return items["state"], items["progress"]

    def _set_aside(self, step: int, error: Exception) -> None:
        folder = self._folder / "latest" / str(step)
        aside = folder.with_name(f"damaged-{step}")
        folder.rename(aside)
        self._latest.reload()
        reason = type(error).__name__
        self._say(
            f"The checkpoint of step {step} cannot be read ({reason}); it was moved to {aside}."
        )

    def close(self) -> None:
        """Waits for what is being written and lets go of the folder."""
        self.wait()
        self._latest.close()
        self._best.close()


def _as_tree(state: TrainState) -> dict[str, Any]:
    tree = {
        "step": state.step,
        "params": state.params,
        "model_state": state.model_state,
        "opt_state": state.opt_state,
    }
    return tree if state.ema is None else {**tree, "ema": state.ema}
