"""Fashion-MNIST by a triplet loss: which photo of the test set is most like this one?

.venv/bin/python scripts/train.py configs/fashion_mnist_triplet.py --workdir runs/fashion_triplet

11 minutes of CPU time with the report: Rank-1 0.888.
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
            source="tfds:fashion_mnist",
            split="given",
            validation_fraction=0.05,
            image_size=28,
            channels=1,
            batch_size=160,
            photos_per_identity=16,
        ),
        augment=Augmentation(flip=True, translation=0.05, erasing=0.2),
        model=ModelConfig(backbone="small_cnn", embedding_dim=64),
        loss=Triplet(margin=0.3, mining="all"),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=100),
        train=TrainConfig(steps=3000, log_every=50, evaluate_every=1000, checkpoint_every=1000),
    )
