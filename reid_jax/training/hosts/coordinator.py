"""Where the processes of a training meet: what a person or SLURM says."""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from reid_jax.errors import UserError

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
    """Reads `train.coordinator`; None where it is `auto` and only JAX may know (Open MPI, TPUs).

    Raises:
      UserError: it is not an address, or a number is missing or impossible.
    """
    if coordinator == "auto":
        return _of_slurm(environment)
    host, _, port = coordinator.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(
            f"train.coordinator is {coordinator!r}; it must be HOST:PORT of the first process, "
            "such as node1:12345, or auto."
        )
    try:
        count, index = (int(environment[n]) for n in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    except (KeyError, ValueError) as error:
        raise UserError(
            "train.coordinator names a host; set JAX_NUM_PROCESSES to the number of processes and "
            "JAX_PROCESS_ID to the number of this one, from 0."
        ) from error
    if not 0 <= index < count:
        raise UserError(
            f"JAX_PROCESS_ID is {index} and JAX_NUM_PROCESSES {count}; of so many processes each "
            "has a number of its own, from 0."
        )
    return Meeting(host, int(port), count, index)


def _of_slurm(environment: Mapping[str, str]) -> Meeting | None:
    if "SLURM_JOB_ID" not in environment or "OMPI_COMM_WORLD_RANK" in environment:
        return None
    job = environment["SLURM_JOB_ID"]
    try:
        nodes, step = environment["SLURM_STEP_NODELIST"], environment["SLURM_STEP_ID"]
        count, index = int(environment["SLURM_NTASKS"]), int(environment["SLURM_PROCID"])
    except KeyError as error:
        raise UserError(
            f"train.coordinator is 'auto' inside SLURM's job {job}, but outside srun "
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
