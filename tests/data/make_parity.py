"""Writes parity.npz: what torchvision 0.28 and timm 1.0 compute for the weights of parity_cases.py.

    pip install torch==2.13.0 && pip install --no-deps torchvision==0.28.0 timm
    python tests/data/make_parity.py [NETWORK ...]     # all networks, or these ones again

Beside a CPU-only PyTorch torchvision's compiled part does not load; the registrations that need it
are skipped below, as no classification model uses them.
"""

import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
_register_fake = torch.library.register_fake


def _without_torchvision(op, func=None, /, **kwargs):  # type: ignore[no-untyped-def]
    if isinstance(op, str) and op.startswith("torchvision::"):
        return (lambda f: f) if func is None else func
    if func is None:
        return _register_fake(op, **kwargs)
    return _register_fake(op, func, **kwargs)


torch.library.register_fake = _without_torchvision

import timm  # noqa: E402
import torchvision.models  # noqa: E402
from parity_cases import (  # noqa: E402
    IN_TRAINING,
    NETWORKS,
    draw_cotangent,
    draw_images,
    draw_weight,
    summary,
)


def reference(name: str) -> torch.nn.Module:
    """The model with drawn weights and statistics, without dropout and stochastic depth."""
    if hasattr(torchvision.models, name):
        model = getattr(torchvision.models, name)()
    else:
        model = timm.create_model(name)
    state = {
        key: torch.from_numpy(draw_weight(name, key, tuple(value.shape)))
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    model.load_state_dict(state, strict=False)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if type(module).__name__ == "StochasticDepth":
            module.p = 0.0
    return model


def pooled_features(name: str, model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What stands before the classifier: (B, F)."""
    if not hasattr(torchvision.models, name):
        return model.forward_head(model.forward_features(x), pre_logits=True)
    if name.startswith("vit"):
        model.heads = torch.nn.Identity()
        return model(x)
    if "resn" in name:
        model.fc = torch.nn.Identity()
        return model(x)
    maps = model.features(x)
    if name.startswith("densenet"):
        maps = torch.relu(maps)
    if name.startswith("convnext"):
        return model.classifier[0](model.avgpool(maps)).flatten(1)
    return maps.mean((2, 3))


def evaluation(name: str, dtype: torch.dtype) -> dict[str, np.ndarray]:
    x = torch.from_numpy(draw_images(name)).permute(0, 3, 1, 2).contiguous().to(dtype)
    x.requires_grad_()
    model = reference(name).eval().to(dtype)
    logits = model(x)
    cotangent = torch.from_numpy(draw_cotangent(name, tuple(logits.shape))).to(dtype)
    (gradient,) = torch.autograd.grad((logits * cotangent).sum(), x)
    with torch.no_grad():
        features = pooled_features(name, model, x)
    return {
        "features": features.numpy(),
        "logits": logits.detach().numpy(),
        "gradient": gradient.permute(0, 2, 3, 1).numpy(),
    }


def training(name: str, dtype: torch.dtype) -> dict[str, np.ndarray]:
    model = reference(name).train().to(dtype)
    x = torch.from_numpy(draw_images(name, 6)).permute(0, 3, 1, 2).contiguous().to(dtype)
    with torch.no_grad():
        found = {"training_logits": model(x).numpy()}
    state = sorted(model.state_dict().items())
    statistics = [value.numpy().ravel() for key, value in state if "running" in key]
    if statistics:
        found["training_statistics"] = np.concatenate(statistics)
    return found


def expectations(name: str) -> dict[str, np.ndarray]:
    """In float64, after asking that PyTorch's own float32 is close: the case is well-posed."""
    found, rounded = evaluation(name, torch.float64), evaluation(name, torch.float32)
    if name in IN_TRAINING:
        found |= training(name, torch.float64)
        rounded |= training(name, torch.float32)
    first, second = found["features"]
    apart = np.linalg.norm(first - second) / np.linalg.norm(found["features"])
    errors = {
        key: np.linalg.norm(rounded[key] - value) / np.linalg.norm(value)
        for key, value in found.items()
    }
    size = np.abs(found["features"]).mean()
    report = ", ".join(f"{key} {error:.0e}" for key, error in errors.items())
    print(
        f"{name}: images apart {apart:.2f}, features of {size:.2g}, float32: {report}", flush=True
    )
    # The gradient may jump where a ReLU is near its kink; the values may not.
    if apart < 1e-2 or any(e > 3e-5 for key, e in errors.items() if key != "gradient"):
        print(f"{name} is ill-posed: choose another gain", flush=True)
    return {f"{name}/{key}": summary(value, f"{name}/{key}") for key, value in found.items()}


def main() -> None:
    path = HERE / "parity.npz"
    wanted = sys.argv[1:] or NETWORKS
    values = dict(np.load(path)) if sys.argv[1:] else {}
    for name in wanted:
        values.update(expectations(name))
    np.savez_compressed(path, **values)


if __name__ == "__main__":
    main()
