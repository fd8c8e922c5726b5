r"""People seen by six cameras: Market-1501, by the bag of tricks of Luo et al. (2019).

Needs: Market-1501, a GPU
Score: no score yet

    reid-jax train market --workdir runs/market --data.source market:PATH/Market-1501-v15.09.15
    reid-jax evaluate runs/market --rerank

A ResNet-50 from ImageNet whose last stage keeps its resolution, a triplet loss before the BNNeck
and a classification behind it, random erasing, 120 epochs of 16 people x 4 photos, all those to
train on.
Judged by the published protocol: a person's photos by the query's camera and junk are left out,
distractors are not; --rerank adds k-reciprocal re-ranking (k1 20, k2 6, lambda 0.3). The paper has
Rank-1 0.945 and mAP 0.859, re-ranked 0.954 and 0.942. Other than in the paper, photos are squares
(there 256 x 128), embeddings have length 1 also for the triplet loss, the classification compares
angles, the rate falls along a cosine, and there are no label smoothing and no center loss. Not yet
run on a GPU, so that no score is claimed.
"""

from reid_jax.individuals.config import DataConfig, EmbeddingConfig, ModelConfig
from reid_jax.ops.images.augment import Augmentation
from reid_jax.ops.losses.objectives import Joint, MarginSoftmax, Triplet
from reid_jax.training.config import OptimizerConfig, TrainConfig


def get_config() -> EmbeddingConfig:
    return EmbeddingConfig(
        data=DataConfig(
            source="",
            split="given",
            validation_fraction=0.0,
            image_size=192,
            batch_size=64,
        ),
        augment=Augmentation(translation=0.08, flip=True, erasing=0.5),
        model=ModelConfig(
            backbone="resnet50",
            backbone_options="last_stride=1",
            pretrained="hub",
            embedding_dim=0,
            bnneck=True,
        ),
        loss=Joint(
            triplet=Triplet(margin=0.3, mining="hard"),
            softmax=MarginSoftmax(kind="cosface", scale=30.0, margin=0.0),
        ),
        optimizer=OptimizerConfig(learning_rate=3.5e-4, weight_decay=5e-4, warmup_steps=2000),
        train=TrainConfig(steps=24_000, log_every=100, evaluate_every=2000, checkpoint_every=2000),
    )
