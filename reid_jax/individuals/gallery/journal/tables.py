"""The tables of a journal, and how they are made and brought up to date.

One database may hold the journals of several galleries. `decisions` and `changes` are only ever
added to; `facts` is what follows from them, kept in the same transaction.
"""

from pathlib import Path

import sqlalchemy as sa

from reid_jax.errors import UserError

NEWEST = "0001"
"""The last step of `migrations/versions`."""

METADATA = sa.MetaData()


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


GALLERIES = sa.Table(
    "galleries",
    METADATA,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
)
DECISIONS = sa.Table(
    "decisions",
    METADATA,
    _key("gallery"),
    _key("number"),
    sa.Column("time", sa.String(32), nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("segment", sa.Integer),
    sa.Column("undoes", sa.Integer),
)
CHANGES = sa.Table(
    "changes",
    METADATA,
    _key("gallery"),
    _key("number"),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("attribute", sa.String(32), primary_key=True),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
)
FACTS = sa.Table(
    "facts",
    METADATA,
    _key("gallery"),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("attribute", sa.String(32), primary_key=True),
    sa.Column("value", sa.Text),
    sa.Column("number", sa.Integer, nullable=False),
)
# Of names alone: PostgreSQL refuses an index on what is as long as a note.
for _name, _column in (
    ("changes_from_whom", CHANGES.c.before),
    ("changes_to_whom", CHANGES.c.after),
    ("facts_of_whom", FACTS.c.value),
):
    _names = sa.text("attribute = 'individual'")
    sa.Index(_name, _column.table.c.gallery, _column, sqlite_where=_names, postgresql_where=_names)
sa.Index("changes_about", CHANGES.c.gallery, CHANGES.c.subject)


def upgrade(connection: sa.Connection, what: str) -> None:
    """Makes the tables, or brings those that are there up to date, in the running transaction.

    Args:
      connection: within a transaction that no other one can be beside.
      what: the journal, as a person knows it.

    Raises:
      UserError: a newer version of this program made them.
    """
    if _step(connection) == NEWEST:
        return
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(__file__).with_name("migrations")))
    found = _step(connection)
    if found is not None and found not in {each.revision for each in scripts.walk_revisions()}:
        raise UserError(
            f"{what} was written by a newer reid_jax (step {found}, this one knows up to "
            f"{NEWEST}); update it: pip install --upgrade reid-jax."
        )
    with EnvironmentContext(
        Config(), scripts, fn=lambda revision, _: scripts._upgrade_revs(NEWEST, revision)
    ) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()


def is_newest(connection: sa.Connection) -> bool:
    """Whether the tables are those that this program knows."""
    return _step(connection) == NEWEST


def _step(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
