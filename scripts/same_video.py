"""Says whether clips are of the same video."""

from reid_jax import cli
from reid_jax.video.same_video import same_video

if __name__ == "__main__":
    cli.run(same_video)
