"""What `scripts/deploy` says: its page on backups is walked through, tools read its files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reid_jax.app.people.users import Users
from reid_jax.individuals.gallery.decisions import Decisions
from reid_jax.individuals.gallery.store import move_journal
from tests.app.conftest import write_shown
from tests.app.running import picture, serving
from tests.app.signed_in import PASSWORD, headers_of
from tests.paths import REPOSITORY
from tests.postgres import postgres

DEPLOY = REPOSITORY / "scripts" / "deploy"
BLOCK = re.compile(r"^```sh([a-z ]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(*, restore: bool, postgresql: bool) -> str:
    """The commands of the page, in their order."""
    blocks = BLOCK.findall((DEPLOY / "backup.md").read_text())
    return "\n".join(
        text
        for words, text in blocks
        if ("restore" in words) == restore and (postgresql or "postgresql" not in words)
    )


@pytest.fixture
def shell(tmp_path):
    """Runs commands as they stand, with `reid-jax` that of this checkout."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "reid-jax"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m reid_jax "$@"\n'
    )
    program.chmod(0o755)

    def run(text: str, **environment: str) -> str:
        found = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path / "place",
            env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    return run


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_backed_up_while_people_decided_is_there_again(tmp_path, shell, kind):
    place = tmp_path / "place"
    write_shown(place / "gallery", tmp_path / "photos")
    (place / "gallery.app").mkdir()
    users = Users(place / "gallery.app" / "users.sqlite")
    users.add("Ann", "admin", PASSWORD)
    users.close()
    if kind == "sqlite":
        walk_through(place, shell, "")
        return
    with postgres() as url:
        move_journal(place / "gallery", url)
        walk_through(place, shell, url)


def walk_through(place: Path, shell, database: str) -> None:
    words = {"postgresql": bool(database)}
    served = place / "gallery.app", "--gallery", place / "gallery"
    with serving(*served) as running:
        ann = headers_of(running, "Ann")
        ids = []
        for number in range(3):
            drop = running.ask("POST", f"/v1/photos?name={number}.jpg", picture(number), ann)
            ids.append(drop.json()["id"])

        def read() -> bool:
            files = running.ask("GET", "/v1/photos", None, ann).json()["files"]
            return all(file["state"] == "readable" for file in files)

        running.until(read)
        said = {"kind": "is", "name": "Alma"}
        assert running.ask("POST", f"/v1/review/{ids[0]}", said, ann).status == 200
        body = {"name": "Alma", "new_name": "Alba"}
        assert running.ask("POST", "/v1/gallery/rename", body, ann).status == 200
        shell(commands(restore=False, **words), DATABASE=database)
        body = {"name": "Alba", "text": "after the backup"}
        assert running.ask("POST", "/v1/gallery/note", body, ann).status == 200
    shutil.rmtree(place / "gallery" / "generation-000001")
    (place / "gallery.app" / "arrivals.sqlite").write_bytes(b"damaged")
    if database:
        shell('psql -q -d "$DATABASE" -c "TRUNCATE decisions, changes, facts"', DATABASE=database)
    said = shell(commands(restore=True, **words), DATABASE=database)
    assert "could be made again from its photos and decisions" in said
    decisions = Decisions(place / "gallery")
    assert "Alba" in decisions.individuals()
    assert decisions.note_of("Alba") == ""
    with serving(*served) as running:
        ann = headers_of(running, "Ann")
        files = running.ask("GET", "/v1/photos", None, ann).json()["files"]
        found = {file["id"]: file.get("decision", {}).get("name") for file in files}
        assert found == {ids[0]: "Alba", ids[1]: None, ids[2]: None}
        for id in ids:
            assert running.ask("GET", f"/pictures/large/{id}", None, ann).status in (200, 404)
        body = {"name": "Alba", "text": "goes on"}
        assert running.ask("POST", "/v1/gallery/note", body, ann).status == 200


def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "reid-jax.service").read_text()
    unit = tmp_path / "reid-jax.service"
    unit.write_text(text.replace("/opt/reid-jax/bin/reid-jax", "/bin/true"))
    found = subprocess.run([program, "verify", unit], capture_output=True, text=True)
    said = [line for line in found.stderr.splitlines() if "reid-jax" in line]
    assert not said
    found = subprocess.run(
        [program, "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_nginx_takes_its_example(tmp_path):
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    key = ["-keyout", tmp_path / "privkey.pem", "-out", tmp_path / "fullchain.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *key],
        check=True,
        capture_output=True,
    )
    text = (DEPLOY / "nginx.conf").read_text()
    text = text.replace("/etc/letsencrypt/live/photos.example.org", str(tmp_path))
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    found = subprocess.run([program, "-t", "-c", whole], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "warn" not in found.stderr


def test_caddy_takes_its_example():
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed")
    words = ["validate", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile"]
    found = subprocess.run([program, *words], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_hadolint_finds_nothing():
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not installed")
    words = [program, "--failure-threshold", "style", DEPLOY / "Containerfile"]
    found = subprocess.run(words, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_files_name_options_and_extras_that_there_are():
    """What stands in units, containers and pages is known to the command and the package."""
    import inspect
    import tomllib

    from reid_jax.commands import deploy

    known = set(inspect.signature(deploy.serve).parameters)
    for file in ("Containerfile", "compose.yaml", "reid-jax.service", "README.md"):
        text = (DEPLOY / file).read_text()
        for line in text.splitlines():
            if "serve" in line and "users" not in line:
                for flag in re.findall(r"--([a-z-]+)", line.partition("serve")[2]):
                    assert flag.removeprefix("no-").replace("-", "_") in known, (file, flag)
        extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
        extras = extras["project"]["optional-dependencies"]
        for found in re.findall(r"(?:reid-jax|\.)\[([a-z,]+)\]", text):
            assert set(found.split(",")) <= set(extras)
