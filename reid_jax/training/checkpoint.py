"""Checkpoints on disk: the latest states to go on from, and the best variables to use.

The only file that imports Orbax. Writing is asynchronous and atomic: a step's folder appears under
its name when it is complete. A folder whose files are damaged all the same (a broken disk) is set
aside, named, and the one before it is used. Nothing else is taken for damage: what cannot be read
for another reason stops the command, and nothing is changed.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from reid_jax.errors import UserError
from reid_jax.training.checkpoint_forms import as_now, as_then, leaf_name
from reid_jax.training.damage import free_name, ignore_late_answers, is_damaged, reason
from reid_jax.training.hosts.join import gathered, has_copies, is_first
from reid_jax.training.parallel import whole
from reid_jax.training.plain_path import PlainPath
from reid_jax.training.state import TrainState

Tree = Any
_KEPT = 2  # one to go on from, and one before it should that be damaged
_LATEST, _BEST = "latest", "best"
_READ, _DAMAGED, _REFUSED = "read", "damaged", "refused"


class Checkpoints:
    """The `checkpoints/` folder of a run.

    Args:
      folder: made when it is not there, unless only read.
      say: called with one line when a damaged checkpoint had to be set aside.
      read_only: touch nothing, so that a run can be looked at while it trains.

    Of several processes each writes what its devices hold into the folder that all see. Where each
    machine has a copy of it the first one writes all, and the others write nothing.
    """

    def __init__(
        self, folder: Path, say: Callable[[str], None] = print, *, read_only: bool = False
    ):
        logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax narrates every file it writes
        self._shown = folder.resolve()
        if not read_only:
            self._shown.mkdir(parents=True, exist_ok=True)
        self._plain = PlainPath(self._shown)
        self._folder = self._plain.path
        self._say = say
        self._copies = has_copies()
        self._read_only = read_only or (self._copies and not is_first())
        self._latest = self._manager(_LATEST, _KEPT)
        self._best = self._manager(_BEST, None)

    def _manager(self, name: str, kept: int | None) -> ocp.CheckpointManager:
        among = ocp.options.MultiprocessingOptions()
        if self._copies:  # Orbax waits for no other process
            (self._folder / name).mkdir(exist_ok=True)
            own = jax.process_index()
            among = ocp.options.MultiprocessingOptions(
                primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"{own}"
            )
        options = ocp.CheckpointManagerOptions(
            max_to_keep=None if self._read_only else kept,
            create=not self._read_only and not self._copies,
            cleanup_tmp_directories=not self._read_only,
            read_only=self._read_only,
            multiprocessing_options=among,
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
        if self._read_only:
            return
        bests = self._best.all_steps()
        ends = [*self._latest.all_steps(), max(bests, default=0)]
        needed = {max((best for best in bests if best <= end), default=0) for end in ends}
        for step in set(bests) - needed:
            self._best.delete(step)

    def _save(
        self, manager: ocp.CheckpointManager, step: int, tree: Tree, progress: dict[str, Any]
    ) -> None:
        if self._copies:
            tree = whole(tree)
        if self._read_only or step in manager.all_steps():
            return
        if jax.process_count() > 1:
            self.wait()  # Orbax's barriers have one name: of two at once one would fail
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
        self._latest.reload()
        intact = self.latest_step
        rest = "no checkpoint exists yet" if intact is None else f"that of step {intact} is intact"
        return UserError(
            f"{which} could not be written to {self._shown} ({reason(error)}); {rest}. Where "
            "the disk is full, make room; the same command goes on from there."
        )

    def restore_latest(self, template: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The last readable state and progress, or None when nothing was saved.

        It is read onto the devices where the template is, whatever devices it was saved on. What is
        damaged is set aside once a readable one before it is found; of several processes the first
        one does that. Best checkpoints of later steps are removed, for those steps will be done
        again; they too are set aside where something is damaged.

        Args:
          template: a state with the same structure, shapes and dtypes.

        Raises:
          UserError: a checkpoint is of another network, cannot be read now, or none is whole. The
            folder is as it was.
        """
        steps = sorted(self._latest.all_steps(), reverse=True)
        damaged: list[tuple[int, str]] = []
        for step in steps:
            outcome, restored = self._attempt(step, _as_tree(template))
            outcomes = gathered(f"the checkpoint of step {step}", outcome)
            for kind, sentence in outcomes:
                if kind == _REFUSED:
                    raise UserError(sentence)
            if restored is not None and all(kind == _READ for kind, _ in outcomes):
                tree, progress = restored
                self._set_aside(damaged, step)
                return template.replace(**tree), progress
            damaged.append((step, next(why for kind, why in outcomes if kind == _DAMAGED)))
        before = sorted(path.name for path in (self._folder / _LATEST).glob("damaged-*"))
        if damaged or before:
            names = ", ".join([str(step) for step, _ in damaged] + before)
            raise UserError(
                f"No checkpoint in {self._shown / _LATEST} is whole ({names}); nothing was "
                "changed. Put one back from a copy, or train into another --workdir."
            )
        self._set_bests_aside(-1)
        return None

    def _attempt(
        self, step: int, template: Tree
    ) -> tuple[tuple[str, str], tuple[Tree, dict[str, Any]] | None]:
        """How the reading of a latest checkpoint ended, with a reason, and what was read."""
        try:
            if difference := self._difference(step, template):
                raise UserError(
                    f"The checkpoint of step {step} in {self._shown} does not fit what the "
                    f"configuration and the photos make now ({difference}); train into another "
                    "--workdir."
                )
            return (_READ, ""), self._read(_LATEST, step, template)
        except UserError as error:
            return (_REFUSED, str(error)), None
        except Exception as error:
            if self._is_damaged(_LATEST, step, error):
                return (_DAMAGED, type(error).__name__), None
            return (_REFUSED, self._unreadable(_LATEST, step, error)), None

    def _difference(self, step: int, template: Tree) -> str:
        """In words, the first array that is otherwise in a checkpoint than in the template."""
        handler = ocp.StandardCheckpointHandler()
        found = handler.metadata(self._folder / _LATEST / str(step) / "state").tree
        stored, wanted = _facts(as_now(found)), _facts(template)
        for name in sorted(stored.keys() | wanted.keys()):
            if stored.get(name) != wanted.get(name):
                there, now = (facts.get(name, "missing") for facts in (stored, wanted))
                return f"{name} is {there} there, {now} now"
        return ""

    def restore_best(self) -> tuple[Tree, Tree, dict[str, Any]] | None:
        """Parameters, model state and progress of the best step, or None when there is none.

        They are on this process's first device, whatever devices they were saved on. Should the
        best one be damaged, the latest takes its place, and that is said.

        Raises:
          UserError: when that cannot be read either, or the best one cannot be read now.
        """
        step = self._best.latest_step()
        if step is None:
            return None
        try:
            tree, progress = self._read(_BEST, step)
            return _usable(tree["params"], tree, progress)
        except Exception as error:
            if not self._is_damaged(_BEST, step, error):
                raise UserError(self._unreadable(_BEST, step, error)) from error
            damaged = f"{self._shown / _BEST / str(step)} is damaged ({type(error).__name__})"
        latest = self.latest_step
        if latest is None:
            raise UserError(f"{damaged}, and there is no latest one; train again.")
        try:
            tree, progress = self._read(_LATEST, latest)
        except Exception as error:
            if not self._is_damaged(_LATEST, latest, error):
                raise UserError(self._unreadable(_LATEST, latest, error)) from error
            raise UserError(f"{damaged}, so is the latest one; train again.") from error
        self._say(f"{damaged}; the checkpoint of step {latest} is used in its place.")
        return _usable(tree.get("ema", tree["params"]), tree, {**progress, "best_step": latest})

    def read_raw(self, step: int) -> tuple[Tree, dict[str, Any]]:
        """What a latest checkpoint holds, as nested dicts of NumPy arrays, whatever trained it."""
        return self._read(_LATEST, step)

    def _read(
        self, which: str, step: int, template: Tree | None = None
    ) -> tuple[Tree, dict[str, Any]]:
        """Reads where the template's arrays are, or without one into NumPy arrays.

        The devices that the file names are those that wrote it, and need not exist here. Unlike a
        manager's, these calls wait for no other process, which may not get here.
        """
        ignore_late_answers()
        folder = self._folder / which / str(step)
        if template is None:
            handler = ocp.PyTreeCheckpointHandler()
            arrays = jax.tree.map(
                lambda _: ocp.RestoreArgs(restore_type=np.ndarray),
                handler.metadata(folder / "state").tree,
            )
            request = ocp.args.PyTreeRestore(restore_args=arrays)
            tree = as_now(handler.restore(folder / "state", args=request))
        else:
            standard = ocp.StandardCheckpointHandler()
            shapes = as_then(
                jax.tree.map(ocp.utils.to_shape_dtype_struct, template),
                standard.metadata(folder / "state").tree,
            )
            tree = as_now(standard.restore(folder / "state", args=ocp.args.StandardRestore(shapes)))
        progress = ocp.JsonCheckpointHandler().restore(
            folder / "progress", args=ocp.args.JsonRestore()
        )
        return tree, progress

    def _is_damaged(self, which: str, step: int, error: Exception) -> bool:
        folder = self._folder / which / str(step)
        return is_damaged(folder, error, lambda: self._read(which, step))

    def _unreadable(self, which: str, step: int, error: Exception) -> str:
        return (
            f"{self._shown / which / str(step)} cannot be read at present ({reason(error)}); "
            "nothing was changed, and the same command tries again."
        )

    def _set_aside(self, damaged: list[tuple[int, str]], good: int) -> None:
        """Renames damaged checkpoints; takes best ones of later steps out of the way."""
        if not damaged:
            steps = () if self._read_only else self._best.all_steps()
            for later in [best for best in steps if best > good]:
                self._best.delete(later)
            return
        for step, why in damaged:
            if is_first():
                aside = free_name(self._folder / _LATEST / f"damaged-{step}")
                (self._folder / _LATEST / str(step)).rename(aside)
                self._say(
                    f"The checkpoint of step {step} is damaged ({why}); it was moved to "
                    f"{self._shown / _LATEST / aside.name}."
                )
        self._set_bests_aside(good)

    def _set_bests_aside(self, good: int) -> None:
        for later in [best for best in self._best.all_steps() if best > good]:
            if is_first():
                folder = self._folder / _BEST
                (folder / str(later)).rename(free_name(folder / f"set-aside-{later}"))
        gathered("what was set aside", None)
        self._latest.reload()
        self._best.reload()

    def close(self) -> None:
        """Waits for what is being written and lets go of the folder."""
        self.wait()
        self._latest.close()
        self._best.close()
        self._plain.close()


def _as_tree(state: TrainState) -> dict[str, Any]:
    tree = {
        "step": state.step,
        "params": state.params,
        "model_state": state.model_state,
        "opt_state": state.opt_state,
    }
    return tree if state.ema is None else {**tree, "ema": state.ema}


def _usable(
    params: Tree, tree: Tree, progress: dict[str, Any]
) -> tuple[Tree, Tree, dict[str, Any]]:
    params, model_state = jax.tree.map(jnp.asarray, (params, tree.get("model_state", {})))
    return params, model_state, progress


def _facts(tree: Tree) -> dict[str, str]:
    """Shape and dtype of each array by its dotted name; of arrays, or of Orbax's notes of them."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {leaf_name(path): f"{np.dtype(leaf.dtype)} {tuple(leaf.shape)}" for path, leaf in leaves}
