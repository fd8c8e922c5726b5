"""Networks: backbones, pooling, embedding nets and the registry of names."""

from reid_jax.models.embedding import EmbeddingNet
from reid_jax.models.registry import (
    BackboneInfo,
    InputInfo,
    backbone_info,
    backbone_names,
    block_names,
    create_backbone,
)

__all__ = [
    "BackboneInfo",
    "EmbeddingNet",
    "InputInfo",
    "backbone_info",
    "backbone_names",
    "block_names",
    "create_backbone",
]
