"""Commands that serve what was trained to others."""

import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg


def serve(
    gallery: Path | None = None,
    keyframes: str = "",
    same_video: str = "",
    folder: Path | None = None,
    watch: Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    address: str = "",
    database: str = "",
    check: bool = False,
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
        host: Address of this machine on which it listens. Where others reach it everybody has to
            sign in; reid-jax serve users add makes users.
        port: 8421 when not given, or another one where that is taken.
        address: Of a proxy that others reach, as https://photos.example.org.
        database: A PostgreSQL database that keeps who is who from now on, as
            postgresql+psycopg://USER@HOST/DATABASE. What was decided is brought there, and the
            gallery remembers it without a password, which comes from PGPASSWORD or ~/.pgpass.
        check: Serves nothing; says whether the gallery is whole and could be made again from its
            photos and decisions, and ends with 1 where not.
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
    beside = Path("reid-jax-app") if gallery is None else _beside(gallery)
    if check:
        _check(gallery, folder or beside)
        return
    if database:
        _move(gallery, database)
    runs = Runs(keyframes, same_video)
    _serve(folder or beside, gallery, host, port, open, runs=runs, watch=watch, address=address)


def _beside(gallery: Path) -> Path:
    """The folder of a gallery's server."""
    return gallery.with_name(f"{gallery.name}.app")


def _check(gallery: Path | None, folder: Path) -> None:
    from reid_jax.app.places import Places
    from reid_jax.app.whole import check_waiting
    from reid_jax.commands.decisions import check
    from reid_jax.console import counted
    from reid_jax.errors import UserError

    if gallery is None:
        raise UserError("Say which gallery to check: --gallery GALLERY.")
    waiting, wrong = check_waiting(Places(folder.absolute()))
    print(f"{counted(waiting, 'photo')} of the page are still to be decided on or filed")
    for sentence in wrong:
        print(f"  {sentence}")
    check(gallery)
    if wrong:
        raise UserError(f"What was dropped in {folder} is damaged; what is wrong stands above.")


def _move(gallery: Path | None, database: str) -> None:
    from reid_jax.console import counted
    from reid_jax.errors import UserError
    from reid_jax.individuals.gallery.store import move_journal

    if gallery is None:
        raise UserError("--database keeps the decisions about a gallery; give --gallery, too.")
    moved = move_journal(gallery, database)
    if moved is not None:
        print(f"{counted(moved, 'decision')} brought to {database}")


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


def users(
    action: Positional[Literal["add", "list", "remove", "password"]],
    served: Positional[Annotated[Path, arg(metavar="GALLERY")]],
    name: Positional[Annotated[str, arg(metavar="NAME")]] = "",
    role: Literal["reader", "reviewer", "admin"] = "reviewer",
) -> None:
    """Says who may sign in to a server; once there is somebody, everybody has to.

    A password is asked for on the terminal, or read from standard input; it is no argument, which
    others on this machine could read.

    Args:
        action: What is to be done.
        served: Folder of the gallery, or that of the server where it is another one.
        name: Of the user; decisions carry it.
        role: Of who is added: reader looks, reviewer drops photos and decides, admin does all.
    """
    from reid_jax.app.people.users import Users
    from reid_jax.app.places import Places
    from reid_jax.errors import UserError
    from reid_jax.files import make_folder

    users = Users(Places(_of_server(served)).users)
    if action == "list":
        for user in users.all():
            print(f"{user.name}\t{user.role}")
        return
    if not name:
        raise UserError(f"Say whom to {action}: reid-jax serve users {action} {served} NAME.")
    if action == "remove":
        users.remove(name)
        print(f"{name} may sign in no more.")
    elif action == "password":
        users.set_password(name, _password())
        print(f"{name} has another password, and is signed out.")
    else:
        make_folder(_of_server(served))
        users.add(name, role, _password())
        print(f"{name} may sign in as {role}.")


def _of_server(served: Path) -> Path:
    """The folder of the server of a gallery, or of a server without one."""
    from reid_jax.errors import UserError
    from reid_jax.individuals.gallery.stored.layout import is_gallery

    if is_gallery(served):
        return _beside(served)
    if (served / "users.sqlite").is_file() or (served / "incoming").is_dir():
        return served
    raise UserError(f"{served} is neither a gallery nor the folder of a server.")


def _password() -> str:
    """What somebody types twice, unseen, or a line of standard input."""
    from reid_jax.errors import UserError

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Once more: ") != first:
        raise UserError("These are two passwords; nothing was changed.")
    return first


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
