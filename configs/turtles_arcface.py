r"""Sea turtles by the pattern of their heads, by ArcFace.

Needs: photos of your own, a GPU
Score: no score yet

    reid-jax train turtles_arcface --workdir runs/turtles_arcface \
        --data.source csv:PATH/metadata.csv

Split by date: an individual's later days are the queries, its earlier days the gallery. Meant for a
GPU, and not yet run there, so that no score is claimed.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="",
            split="date",
            test_fraction=0.3,
            validation_fraction=0.15,
            image_size=224,
            batch_size=64,
        ),
        augment=Augmentation(
            crop=0.4,
            rotation=15.0,
            brightness=0.3,
            contrast=0.3,
            saturation=0.3,
            hue=0.03,
            underwater=0.3,
            erasing=0.3,
        ),
        model=ModelConfig(backbone="resnet18", embedding_dim=256, pooling="gem"),
        loss=MarginSoftmax(kind="arcface", scale=64.0, margin=0.5),
        optimizer=OptimizerConfig(learning_rate=3e-4, weight_decay=1e-3, warmup_steps=200),
        train=TrainConfig(steps=6000, log_every=50, evaluate_every=1000, checkpoint_every=500),
    )
