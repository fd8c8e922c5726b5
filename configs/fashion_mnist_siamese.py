"""The classic tutorial: a Siamese net puts the ten kinds of clothes of Fashion-MNIST on a plane.

Needs: Fashion-MNIST by TFDS
Score: no score yet

    reid-jax train fashion_mnist_siamese --workdir runs/siamese

As the tutorials have it: two convolutions and a layer of 256 with ReLU, two numbers an image,
315,010 parameters; five epochs of 938 steps, 64 pairs each, by Adam at 1e-3, without validation.
The picture to look at is report/embedding.png: ten clusters on a plane.
fashion_mnist_siamese_prelu has one layer more, PReLU and a falling rate, and a score.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.losses.objectives import Contrastive
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="tfds:fashion_mnist",
            split="given",
            validation_fraction=0.0,
            image_size=28,
            channels=1,
            sampler="pairs",
            batch_size=128,
        ),
        model=ModelConfig(backbone="two_conv_relu", embedding_dim=2, normalize=False),
        loss=Contrastive(margin=1.0),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, schedule="constant", warmup_steps=0, weight_decay=0.0
        ),
        train=TrainConfig(steps=4690, log_every=70, evaluate_every=4690, checkpoint_every=938),
    )
