"""Folders of keyframes that this program has made, which are no videos and may be written again."""

import json
from pathlib import Path
from typing import Any

MARK = "keyframes.json"
KEYFRAME = "keyframe_"
"""How the names of the keyframes begin; other pictures in the folder are made of them."""

_FIELDS = {"keyframes", "scored_frames"}


def read_mark(folder: Path) -> dict[str, Any] | None:
    """What `keyframes.json` says where this program has written it; None for any other folder."""
    try:
        content = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.keys() >= _FIELDS else None
