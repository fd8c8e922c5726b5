r"""Your own photos, a folder an individual: what is best for them in the minutes that you give.

Needs: photos of your own
Score: never below the frozen features on validation

    reid-jax train recipe --workdir runs/mine --data.source folder:PHOTOS --minutes 30

The run counts individuals and photos, measures once how fast it trains here, and chooses the size
of the photos, the steps and the batch so that all of it, the report included, ends in time; it says
what it chose and why. The rules stand in `reid_jax/individuals/recipe.py`. What is given by hand
(`--data.image-size 160`, `--train.steps 2000`) is not chosen. A photo is embedded as the mean over
itself and eight altered copies, and whitened by the training photos. `--augment.underwater 0.3` is
for photos under water.

Training moves all but the first four blocks of eighteen, which saves a third of a step; what it
costs was not measured. On turtles by date a BNNeck gave Rank-1 0.226 on validation, and 0.181 was
without (300 steps, 128 pixels). Mirror images are other individuals, two photos of each in a batch.
There is no projection: on 126 antelopes a new one made 0.172 of the 0.287 that the published
features had. So training starts from the published network itself. After it, validation photos that
it was not trained on judge the published network, the trained one, and one half way between them
(Wortsman et al. 2022); the best is what the run gives. The report shows all on the test photos.
`--train.steps 0` gives the published features alone.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import MarginSoftmax
from reid_jax.training.config import AUTO, OPEN, OptimizerConfig, TrainConfig
from reid_jax.training.stages import Stage


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="",
            split="identity",
            validation_fraction=0.2,
            validation_photos=1000,
            image_size=OPEN,
            embed_size=OPEN,
            batch_size=AUTO,
            photos_per_identity=2,
            symmetries=2,
        ),
        augment=Augmentation(
            crop=0.4,
            rotation=25.0,
            brightness=0.3,
            contrast=0.3,
            saturation=0.3,
            hue=0.03,
            erasing=0.3,
        ),
        model=ModelConfig(
            backbone="auto",
            pretrained="pypi",
            embedding_dim=0,
            bnneck=True,
            views=8,
            whiten=0.5,
            dtype="auto",
            drop_path=0.1,
        ),
        loss=MarginSoftmax(kind="arcface", scale=30.0, margin=-1.0),
        stages=(Stage(start=0, blocks=14),),
        optimizer=OptimizerConfig(learning_rate=1e-3, weight_decay=1e-3, warmup_steps=OPEN),
        train=TrainConfig(steps=OPEN, evaluate_every=OPEN, checkpoint_every=OPEN, blend=(0.0, 0.5)),
        minutes=30,
    )
