"""Characters of alphabets never seen, told apart from a single example each.

    .venv/bin/python scripts/train.py configs/omniglot.py --workdir runs/omniglot

Trains on the five alphabets of images_background_small1.zip.
"""

from reid_jax.ops.augment import Augmentation
from reid_jax.tasks.objectives import Triplet
from reid_jax.training.config import (
    DataConfig,
    EmbeddingConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="omniglot:../shared/data/omniglot/images_background_small1.zip",
            split="identity",
            image_size=35,
            channels=1,
            batch_size=128,
            photos_per_identity=4,
            rotations=True,
        ),
        augment=Augmentation(),
        model=ModelConfig(backbone="small_cnn", embedding_dim=128),
        loss=Triplet(margin=0.3, mining="hard"),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=100),
        train=TrainConfig(steps=3000),
    )
