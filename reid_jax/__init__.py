"""Re-identification of individuals, keyframes and clips of one video, in JAX.

    import reid_jax as rj

    model = rj.load("runs/mine")
    z = model.embed(photos)  # (N, D) float32
    rj.evaluate_retrieval(z, labels)
    loss, count = rj.losses.triplet(z, labels, mining="hard", margin=0.3)

The names are in `reid_jax.api`; `help(rj.losses)`, `help(rj.metrics)` and so on list the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reid_jax.api import NAMES
from reid_jax.platforms import hide_compilers

if TYPE_CHECKING:
    from reid_jax import configurations as configs
    from reid_jax import losses, metrics, mining, models, weights
    from reid_jax.api import compare, evaluate_retrieval, load, report, train
    from reid_jax.data.photos.reading import Reading
    from reid_jax.data.photos.samplers import IdentitySampler
    from reid_jax.errors import UserError
    from reid_jax.individuals.gallery.opened import Gallery
    from reid_jax.individuals.sources import load_dataset
    from reid_jax.ops.images.augment import Augmentation, augment, example_keys

hide_compilers()

__all__ = [
    "Augmentation",
    "Gallery",
    "IdentitySampler",
    "Reading",
    "UserError",
    "augment",
    "compare",
    "configs",
    "evaluate_retrieval",
    "example_keys",
    "load",
    "load_dataset",
    "losses",
    "metrics",
    "mining",
    "models",
    "report",
    "train",
    "weights",
]


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("reid-jax")
        if name not in NAMES:
            from difflib import get_close_matches

            near = "".join(f"; did you mean {each}?" for each in get_close_matches(name, NAMES, 1))
            raise AttributeError(f"module 'reid_jax' has no attribute {name!r}{near}")
        module = import_module(NAMES[name])
        return getattr(module, name, module)


def __dir__() -> list[str]:
    return __all__
