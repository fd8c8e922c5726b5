r"""The step that is timed: ResNet-18 at 96 px, ArcFace, on drawn animals.

Needs: a GPU or a TPU
Score: none; it measures speed

    reid-jax plan throughput_resnet18 --device h100
    reid-jax train throughput_resnet18 --workdir runs/throughput_resnet18

What `python -m scripts.bench step` times beside PyTorch, `reid-jax plan` counts and `reid-jax`
`train` runs is one program: random resized crop and flip, SGD with Nesterov momentum.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="synthetic:1000x6",
            split="photo",
            validation_fraction=0.0,
            image_size=96,
            channels=3,
            batch_size=512,
            input="stream",
        ),
        augment=Augmentation(crop=0.4, flip=True),
        model=ModelConfig(backbone="resnet18", embedding_dim=0, dtype="bfloat16"),
        loss=MarginSoftmax(kind="arcface", scale=30.0, margin=0.5),
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
