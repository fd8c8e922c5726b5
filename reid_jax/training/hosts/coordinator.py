"""Where the processes of a training meet: what a person or SLURM says."""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from reid_jax.errors import UserError

_SECONDS = 300  # that JAX waits for what it looks for
_LOWEST, _PORTS = 61_000, 4_500  # above the ports that Linux gives to connections
_SRUN = "start the command with srun, or give HOST:PORT of the first process"


@dataclass(frozen=True)
class Meeting:
    """Where processes meet, how many, and which of them this one is, from 0."""

    host: str
    port: int
    count: int
    index: int

    @property
    def address(self) -> str:
        """As a person writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def meeting(coordinator: str, environment: Mapping[str, str] = os.environ) -> Meeting | None:
    """Reads a coordinator; None where it is `auto` and only JAX may know (Open MPI, TPUs).

    Raises:
      UserError: it is not an address, or a number is missing or impossible.
    """
    if coordinator == "auto":
        return _of_slurm(environment)
    host, _, port = coordinator.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(
            f"coordinator is {coordinator!r}; it must be HOST:PORT of the first process, "
            "such as node1:12345, or auto."
        )
    try:
        count, index = (int(environment[n]) for n in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    except (KeyError, ValueError) as error:
        raise UserError(
            "coordinator names a host; set JAX_NUM_PROCESSES to the number of processes and "
            "JAX_PROCESS_ID to the number of this one, from 0."
        ) from error
    if not 0 <= index < count:
        raise UserError(
            f"JAX_PROCESS_ID is {index} and JAX_NUM_PROCESSES {count}; of so many processes each "
            "has a number of its own, from 0."
        )
    return Meeting(host, int(port), count, index)


def detected_meeting() -> Meeting:
    """Where JAX knows who takes part without being asked for devices, as under Open MPI.

    Raises:
      UserError: it does not.
    """
    found: tuple[str | None, int | None, int | None] = None, None, None
    try:
        from jax._src.clusters import ClusterEnv  # there is no public name for it

        detect = ClusterEnv.auto_detect_unset_distributed_params
        found = detect(None, None, None, None, None, _SECONDS)[:3]
        reason = "no launcher that is known started them"
    except (ImportError, AttributeError, TypeError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    address, count, index = found
    if address is None or count is None or index is None:
        raise UserError(
            f"coordinator is 'auto', but the processes did not find each other: {reason}; start "
            "the command with srun or mpirun, or give HOST:PORT of the first one"
        )
    host, _, port = address.rpartition(":")
    return Meeting(host.removeprefix("[").removesuffix("]"), int(port), count, index)


def own_gpu(environment: Mapping[str, str] = os.environ) -> str | None:
    """The number of the GPU that is this process's where a launcher starts several a machine.

    None where nobody says so, or where the process sees a GPU of its own already.
    """
    for name in ("OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"):
        if name in environment:
            seen = environment.get("CUDA_VISIBLE_DEVICES")
            few = seen is not None and int(environment[name]) >= len(seen.split(","))
            return None if few else environment[name]
    return None


def _of_slurm(environment: Mapping[str, str]) -> Meeting | None:
    if "SLURM_JOB_ID" not in environment or "OMPI_COMM_WORLD_RANK" in environment:
        return None
    job = environment["SLURM_JOB_ID"]
    try:
        nodes, step = environment["SLURM_STEP_NODELIST"], environment["SLURM_STEP_ID"]
        count, index = int(environment["SLURM_NTASKS"]), int(environment["SLURM_PROCID"])
    except KeyError as error:
        raise UserError(
            f"coordinator is 'auto' inside SLURM's job {job}, but outside srun "
            f"({error.args[0]} is not set); {_SRUN}."
        ) from error
    # Two steps of a job, and two jobs on a node, are two meetings.
    port = environment.get("JAX_COORDINATOR_PORT")
    number = int(port) if port else _LOWEST + zlib.crc32(f"{job}.{step}".encode()) % _PORTS
    return Meeting(first_host(nodes), number, count, index)


def first_host(nodes: str) -> str:
    """The first of SLURM's list: `node[001-015,020]`, `a-[1,3]-ib,b7` or `node1`."""
    matched = re.match(r"([^\[,]*)(?:\[([^\],-]+)[^\]]*\]([^,\[]*))?", nodes)
    assert matched is not None
    return "".join(part or "" for part in matched.groups())
