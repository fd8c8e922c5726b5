r"""The step that is timed: the small network at 28 px, hard triplets, on drawn animals.

Needs: a GPU or a TPU
Score: none; it measures speed

    reid-jax plan throughput_small --device h100
    reid-jax train throughput_small --workdir runs/throughput_small

What `python -m scripts.bench step` times beside PyTorch, `reid-jax plan` counts and `reid-jax`
`train` runs is one program: random resized crop and flip, SGD with Nesterov momentum.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Triplet
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="synthetic:1000x6",
            split="photo",
            validation_fraction=0.0,
            image_size=28,
            channels=1,
            batch_size=1024,
            input="stream",
        ),
        augment=Augmentation(crop=0.4, flip=True),
        model=ModelConfig(backbone="small_cnn", embedding_dim=0, dtype="bfloat16"),
        loss=Triplet(margin=0.3, mining="hard"),
        optimizer=OptimizerConfig(
            name="sgd",
            learning_rate=0.01,
            schedule="constant",
            warmup_steps=0,
            momentum=0.9,
            weight_decay=0.0,
        ),
        train=TrainConfig(steps=200, log_every=50, evaluate_every=200, checkpoint_every=200),
    )
