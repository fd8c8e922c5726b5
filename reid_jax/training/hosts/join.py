"""Several processes, on one machine or many, that make one training, or share other work.

Every process runs the same command on the same configuration and photos. They find each other
through a coordinator, the first process; then all devices are one mesh. A process loads only its
own rows of a batch; the first one alone writes the log and speaks. None of them goes on when
another one ended. Those that share other work (`shares`) keep their devices to themselves.
"""

import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from reid_jax.errors import UserError
from reid_jax.training.hosts.company import Company
from reid_jax.training.hosts.coordinator import Meeting, detected_meeting, meeting, own_gpu
from reid_jax.training.hosts.relay import relay
from reid_jax.training.parallel import make_layout

_ADDRESS = 256  # bytes
_PATIENCE = 3600  # seconds that JAX lets a process that was suspended say nothing
_PERIOD = 1.0  # seconds between questions to all processes
_company: Company | None = None


@contextlib.contextmanager
def together(coordinator: str, workdir: Path | str, *, one_mesh: bool = True) -> Iterator[None]:
    """Makes this process one of several; must come before anything else asks JAX for devices.

    An error in one of them, or its death, ends all with one sentence and exit code 1, whatever they
    are doing.

    Args:
      coordinator: "" to stay alone; "auto" where the environment says who takes part (SLURM, Open
        MPI, Kubernetes, Cloud TPU); otherwise HOST:PORT of the first process, with the number of
        processes in JAX_NUM_PROCESSES and the number of this one, from 0, in JAX_PROCESS_ID.
      workdir: of the run, by which processes know that they belong together; a URL where each
        machine has a copy of its own of it, of which the first process's counts.
      one_mesh: whether all devices become one; else each process has its own to itself.

    Raises:
      UserError: when the others cannot be known or are not found.
    """
    if not coordinator:
        yield
        return
    company = (join if one_mesh else _join_apart)(coordinator, workdir)
    company.copies = isinstance(workdir, str)
    speech: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if company.index:
        speech = contextlib.redirect_stdout(open(os.devnull, "w"))  # noqa: SIM115 until the end
    try:
        with _told_to_end(), speech:
            if one_mesh:
                _check_devices(company)
            yield
            company.leave()
    except BaseException as error:
        if company.left or company.count == 1:
            raise
        known = isinstance(error, UserError | OSError | KeyboardInterrupt)
        company.fail(
            _in_words(error),
            sure=known and error.__cause__ is None,
            details="" if known else traceback.format_exc(),
        )
        time.sleep(10)  # another thread ends this process
        os._exit(1)


def join(coordinator: str, workdir: Path | str) -> Company:
    """Meets the others, and makes all their devices one; see `together`."""
    global _company
    where = meeting(coordinator)
    if jax.config.values["jax_platforms"] == "cpu" or os.environ.get("JAX_PLATFORMS") == "cpu":
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    with contextlib.suppress(AttributeError):  # it would swallow SIGTERM
        jax.config.update("jax_enable_preemption_service", False)
    token = _token(workdir)
    if where is not None:
        _company = Company(where, token)
        _company.meet()
        _without_proxy()
        port = relay((where.host, _company.port)) if where.index else _company.port
        try:
            _initialize(coordinator, f"localhost:{port}", where.count, where.index)
        except UserError as error:
            _company.fail(str(error))
    else:
        _initialize(coordinator)
        _company = Company(_agreed_meeting(), token)
        _company.meet()
    return _company


def _join_apart(coordinator: str, workdir: Path | str) -> Company:
    """Meets the others, and no more: no array will go from one process to another."""
    global _company
    where = meeting(coordinator) or detected_meeting()
    if coordinator == "auto" and (own := own_gpu()) is not None:
        jax.config.update("jax_cuda_visible_devices", own)
        jax.config.update("jax_rocm_visible_devices", own)
    _company = Company(where, _token(workdir))
    _company.meet()
    return _company


def _token(workdir: Path | str) -> str:
    if "SLURM_JOB_ID" not in os.environ:
        return str(workdir)
    job, step = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_STEP_ID", "")
    return f"{workdir}, SLURM {job}.{step}"


def _without_proxy() -> None:
    """To this machine itself gRPC would ask a proxy, where one is set, and JAX warns of it."""
    if any(name.lower() in ("http_proxy", "https_proxy", "grpc_proxy") for name in os.environ):
        os.environ["no_grpc_proxy"] = "localhost"  # noqa: SIM112 gRPC's name for it
        with contextlib.suppress(AttributeError):
            jax.config.update("jax_check_proxy_envs", False)


def _initialize(
    coordinator: str, address: str | None = None, count: int | None = None, index: int | None = None
) -> None:
    try:
        jax.distributed.initialize(address, count, index, heartbeat_timeout_seconds=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        if coordinator == "auto":
            reason += "; start the command with srun or mpirun, or give HOST:PORT of the first one"
        raise UserError(
            f"coordinator is {coordinator!r}, but the processes did not find each other: {reason}"
        ) from error


def _agreed_meeting() -> Meeting:
    """Where JAX alone knows who takes part, the first process tells the others an address by it."""
    from jax.experimental.multihost_utils import broadcast_one_to_all

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("10.255.255.255", 1))  # sends nothing; chooses the address of this machine
        host = probe.getsockname()[0]
    with socket.socket() as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    text = f"{host}:{port}".encode().ljust(_ADDRESS)
    with _native_silence():
        told = np.asarray(broadcast_one_to_all(np.frombuffer(text, np.uint8)), np.uint8)
    host, _, number = told.tobytes().decode().strip().rpartition(":")
    return Meeting(host, int(number), jax.process_count(), jax.process_index())


def _check_devices(company: Company) -> None:
    """All must have as many devices of one kind; then they are connected, while none is busy."""
    own = f"{jax.local_device_count()} x {jax.local_devices()[0].device_kind}"
    found = company.gather("devices", own)
    for name, other in zip(company.names, found, strict=True):
        if other != found[0]:
            company.end(
                f"{name} has {other}, {company.names[0]} has {found[0]}; all processes must have "
                "as many devices of one kind"
            )
    from jax.experimental.multihost_utils import broadcast_one_to_all, process_allgather

    # On CPUs the first exchange of a kind must come within 30 s of the others', and speaks in C.
    layout = make_layout("mesh")
    ones = layout.divide(np.ones(layout.size, np.float32), 0)
    add = layout.compile(_plus_sum, batch_axis=0, donate=False)
    with _native_silence():
        jax.block_until_ready(add(layout.everywhere(np.float32(0)), {}, ones))
        process_allgather(broadcast_one_to_all(np.zeros(1, np.int32)))


def _plus_sum(state: Any, shared: Any, batch: Any, *, axis_name: str | None = None) -> Any:
    del shared, axis_name
    return state + batch.sum()


@contextlib.contextmanager
def _native_silence() -> Iterator[None]:
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _told_to_end() -> Iterator[None]:
    """Before and after the loop, where nothing is to be saved, SIGTERM ends all at once."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        raise UserError("told to end (SIGTERM)")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_words(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, UserError | OSError) else f"{type(error).__name__}: {first}"


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return part()[0] == 0


def has_copies() -> bool:
    """Whether each machine has its own copy of the run folder; the first process's counts."""
    return _company is not None and _company.copies


def part() -> tuple[int, int]:
    """Which of how many processes this one is, from 0."""
    if _company is None:
        return jax.process_index(), jax.process_count()
    return _company.index, _company.count


def agree(topic: str, facts: dict[str, Any]) -> None:
    """Ends all processes where one has other facts than the first, naming both.

    Args:
      topic: what is compared, such as "the configuration".
      facts: JSON values by name; long ones as digests.
    """
    if _company is None or _company.left:
        return
    if differing := difference(_company.names, _company.gather(topic, facts)):
        _company.end(f"{topic} is not the same in all processes: {differing}.")


def difference(names: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> str:
    """In words, what the first process that differs from the first of all has otherwise, or ""."""
    ours = facts[0]
    for name, theirs in zip(names, facts, strict=True):
        differing = [
            f"{fact} is {theirs.get(fact)} in {name}, {ours.get(fact)} in {names[0]}"
            for fact in sorted(ours.keys() | theirs.keys())
            if ours.get(fact) != theirs.get(fact)
        ]
        if differing:
            more = [f"and {len(differing) - 3} more"] if len(differing) > 3 else []
            return "; ".join(differing[:3] + more)
    return ""


def gathered(topic: str, value: Any) -> list[Any]:
    """What each process has (JSON); all of them must ask. Of one process, its own."""
    return [value] if _company is None or _company.left else _company.gather(topic, value)


def leave() -> None:
    """Waits until all others leave, too; what comes after concerns this process alone."""
    if _company is not None:
        _company.leave()


class Poll:
    """Asks, every second or so, whether something is so in any process: in all at the same step.

    A signal reaches one process at a time, and they may only stop together.
    """

    def __init__(self) -> None:
        self._asked = self._next = 0
        self._since = time.perf_counter()

    def any(self, step: int, flag: bool, results: Any, *, due: bool) -> bool:
        """To be called at the same steps in all processes; of one process, its own flag.

        Args:
          results: of this step; steps are handed to devices long before they are done.
          due: whether a row of the log, a validation or a checkpoint follows, which takes longer
            than the steps by which the next question was planned.
        """
        if _company is None:
            return flag
        if step < self._next and not due:
            return False
        jax.block_until_ready(results)
        now = time.perf_counter()
        found = _company.gather(f"step {step}", [flag, now - self._since])
        each = found[0][1] / max(step - self._asked, 1)  # by the first one's clock
        self._asked, self._since, self._next = step, now, step + max(1, int(_PERIOD / each))
        return any(one for one, _ in found)


def on_end(epilogue: Callable[[], str]) -> None:
    """Sets what is said behind an error that ends all processes."""
    if _company is not None:
        _company.epilogue = epilogue


@contextlib.contextmanager
def undone_on_failure(undo: Callable[[], object]) -> Iterator[None]:
    """Calls `undo` when the block fails, or when another process ends this one in it."""
    if _company is not None:
        _company.undo = undo
    try:
        yield
    except BaseException:
        undo()
        raise
    finally:
        if _company is not None:
            _company.undo = str


def own_folder(folder: Path) -> Path:
    """What each of several processes writes for itself has a folder for each."""
    return folder if jax.process_count() == 1 else folder / f"process-{jax.process_index()}"


def own_rows(sampler: Callable[[int], np.ndarray]) -> Callable[[int], np.ndarray]:
    """The sampler of this process's part of each batch; of one process, all of it."""
    count, index = jax.process_count(), jax.process_index()

    def own(step: int) -> np.ndarray:
        rows = sampler(step)
        each = len(rows) // count
        return rows[index * each : (index + 1) * each]

    return sampler if count == 1 else own
