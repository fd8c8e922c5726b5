"""Commands that serve what was trained to others."""

from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional


def serve(
    gallery: Path | None = None,
    keyframes: str = "",
    same_video: str = "",
    folder: Path | None = None,
    watch: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    open: bool = True,
) -> None:
    """Serves a page on this machine where photos are dropped, looked up and decided on.

    Args:
        gallery: Folder of a gallery, whose individuals photos are compared with.
        keyframes: Folder of a run that scores the frames of films, or installed:keyframes.
        same_video: Folder of a run that compares films, or installed:same-video.
        folder: Where the server keeps what is dropped and decided; GALLERY.app beside the gallery
            when not given, reid-jax-app where there is none.
        watch: Folder whose photos come into the inbox by themselves, as a camera writes them.
        host: Address of this machine on which it listens; loopback alone.
        port: 8421 when not given, or another one where that is taken.
        open: Opens a browser.
    """
    from reid_jax.errors import UserError

    if gallery is None and not (keyframes or same_video):
        raise UserError(
            "Say what to serve: --gallery GALLERY, --keyframes RUN or --same-video RUN; or "
            "reid-jax serve demo."
        )
    from reid_jax.app.films import Runs

    if watch is not None and (gallery is None or not watch.is_dir()):
        raise UserError(f"--watch {watch} is a folder of photos, beside --gallery.")
    beside = Path("reid-jax-app") if gallery is None else gallery.with_name(f"{gallery.name}.app")
    runs = Runs(keyframes, same_video)
    _serve(folder or beside, gallery, host, port, open, runs=runs, watch=watch)


def token(
    name: Positional[str],
    folder: Path,
    scope: Literal["read", "decide"] = "read",
    remove: bool = False,
) -> None:
    """Makes a token by which a program asks a server, and prints it, once.

    Args:
        name: Of the program; decisions carry it.
        folder: Of the server, such as GALLERY.app.
        scope: read looks, drops photos and identifies; decide decides, too.
        remove: The token of this name is worth nothing from now on.
    """
    from reid_jax.app.places import Places
    from reid_jax.app.tokens import Tokens
    from reid_jax.errors import UserError

    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; reid-jax serve makes it.")
    tokens = Tokens(Places(folder).tokens)
    if remove:
        tokens.take_back(name)
        print(f"{name} may ask no more.")
    else:
        print(tokens.make(name, scope))


def demo(folder: Path = Path("reid-jax-demo"), port: int | None = None, open: bool = True) -> None:
    """Serves a gallery of drawn animals, which it makes in a minute or two; nothing is fetched.

    Args:
        folder: Where all of it is kept; the same command goes on with what is there.
        port: 8421 when not given, or another one where that is taken.
        open: Opens a browser.
    """
    from reid_jax.app.demo import Demo

    made = Demo(folder)
    _serve(
        folder / "server", made.gallery, "127.0.0.1", port, open, make=made, title="Drawn animals"
    )


def _serve(
    folder: Path, gallery: Path | None, host: str, port: int | None, show: bool, **more: Any
) -> None:
    try:
        from reid_jax.app.server import Served, serve
    except ImportError as error:
        from reid_jax.errors import missing

        raise missing("The page", error.name or "starlette", "serve") from error
    serve(Served(folder, gallery, **more), host, port, show=show)
