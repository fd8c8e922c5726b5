"""What disks, cameras, systems and sync clients leave beside photos, and is no photo of anybody."""

import os
import re
from collections.abc import Collection

FOLDERS = frozenset(
    (
        # Synology, QNAP, NetApp and other network disks: thumbnails, deleted files, snapshots
        *("@eadir", "#recycle", "@recycle", "#snapshot", "~snapshot", "@recently-snapshot"),
        *("@tmp", "@__thumb", "@sharebin", "@transcode", "@synologydrive", "@syno"),
        # Windows
        *("$recycle.bin", "recycler", "recycled", "system volume information"),
        # macOS, also what its file server leaves on shared disks
        *("__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder"),
        # Linux, Android and what repairs a disk
        *("lost+found", "lost.dir"),
        # cameras: indices and thumbnails beside DCIM
        *("canonmsc", "avf_info", "thmbnl"),
        # programs: ACDSee's copies before a change, Capture One's previews, iTunes' thumbnails, and
        # what GoodSync has replaced
        *("[originals]", "captureone", "ipod photo cache", "_gsdata_"),
    )
)
"""Names in lower case. Hidden ones need not be listed: .Trashes, .thumbnails, .stversions, ..."""

BUNDLES = (
    *(".lrdata", ".cocatalog", ".photoslibrary", ".aplibrary", ".photolibrary"),
    *(".migratedaplibrary", ".migratedphotolibrary"),
)
"""Endings of folders in which a photo program keeps its own copies and previews."""

_REPAIRED = re.compile(r"found\.\d{3}")  # Windows numbers what it finds in a damaged disk

FILES = frozenset(
    ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r")
)
COPIES = (".thm", "_original", "~")
"""Endings of pictures that belong to the file beside them: a camera's thumbnail of a film, what
ExifTool and editors leave of a photo they have changed."""

HIDDEN = "hidden"


def leftover(name: str, is_folder: bool) -> str | None:
    """How a file or folder that is passed over for its name is counted; None where it is not.

    "@eaDir/", ".lrdata/", "Thumbs.db", ".thm" or "hidden" (the name begins with a dot).
    """
    if name.startswith("."):
        return HIDDEN
    lower = name.lower()
    if is_folder:
        if lower in FOLDERS or _REPAIRED.fullmatch(lower):
            return f"{name}/"
        ending = os.path.splitext(lower)[1]
        return f"{ending}/" if ending in BUNDLES else None
    if lower.endswith(COPIES):
        return ending_of(name)
    return name.strip() if lower in FILES else None


def made_here(names: Collection[str]) -> str | None:
    """How a folder with entries of these names is counted if this program made it; else None.

    A run beside photos holds figures, which are no photos of an individual called like the run.
    """
    if "config.json" in names and "checkpoints" in names:
        return "of a run/"
    if "CURRENT" in names and any(name.startswith("generation-") for name in names):
        return "of a gallery/"
    return None


def ending_of(name: str) -> str:
    """How a file that is no picture is counted: ".txt", in lower case, or "no ending"."""
    return os.path.splitext(name)[1].lower() or "no ending"
