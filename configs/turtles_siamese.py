r"""Sea turtles by the pattern of their heads, by pairs and the contrastive loss.

Needs: photos of your own; a CPU will do
Score: no score yet

    reid-jax train turtles_siamese --workdir runs/turtles_siamese \
        --data.source csv:PATH/metadata.csv

Split by date: an individual's later days are the queries, its earlier days the gallery. For two CPU
cores: EfficientNet-Lite0 from its published weights, of which all but the first four of eighteen
blocks are trained, in bfloat16 (`--model.dtype float32` where a CPU has none). There is no
projection, so that training starts from the published features.

Half of the pairs of a batch are of one individual. In a trial of 60 steps at 64 pixels and a rate
of 1e-3 the loss came down from 0.916 (the first 20 steps) to 0.864 (the last 20). The 800 steps
below have not been run, and nothing was chosen on the test photos. `turtles_pretrained` is the
recipe that has been measured.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Contrastive
from reid_jax.training.config import OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="",
            split="date",
            test_fraction=0.3,
            validation_fraction=0.15,
            image_size=128,
            embed_size=160,
            sampler="pairs",
            batch_size=64,
        ),
        augment=Augmentation(
            crop=0.4,
            rotation=25.0,
            brightness=0.3,
            contrast=0.3,
            saturation=0.3,
            hue=0.03,
            underwater=0.3,
            erasing=0.3,
        ),
        model=ModelConfig(
            backbone="tf_efficientnet_lite0",
            pretrained="pypi",
            embedding_dim=0,
            views=8,
            whiten=0.5,
            dtype="bfloat16",
        ),
        loss=Contrastive(margin=1.0),
        stages=(Stage(start=0, blocks=14),),
        optimizer=OptimizerConfig(learning_rate=3e-4, weight_decay=1e-3, warmup_steps=100),
        train=TrainConfig(steps=800, log_every=20, evaluate_every=200, checkpoint_every=200),
    )
