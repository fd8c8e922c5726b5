"""Results as JSON that every reader takes."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reid_jax.files import as_text


def plain_json(values: Any) -> str:
    """Values as JSON; null for a number that is not finite, which JSON does not know, and what is
    no Unicode in a name as :func:`reid_jax.files.as_text` writes it."""
    return json.dumps(_plain(values), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {as_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return as_text(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
