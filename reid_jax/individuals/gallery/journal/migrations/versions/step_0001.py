"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "galleries",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
    )
    op.create_table(
        "decisions",
        sa.Column("gallery", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("segment", sa.Integer),
        sa.Column("undoes", sa.Integer),
    )
    op.create_table(
        "changes",
        sa.Column("gallery", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("attribute", sa.String(32), primary_key=True),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
    )
    op.create_table(
        "facts",
        sa.Column("gallery", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("attribute", sa.String(32), primary_key=True),
        sa.Column("value", sa.Text),
        sa.Column("number", sa.Integer, nullable=False),
    )
    names = sa.text("attribute = 'individual'")
    for name, table, column in (
        ("changes_from_whom", "changes", "before"),
        ("changes_to_whom", "changes", "after"),
        ("facts_of_whom", "facts", "value"),
    ):
        op.create_index(
            name, table, ["gallery", column], sqlite_where=names, postgresql_where=names
        )
    op.create_index("changes_about", "changes", ["gallery", "subject"])
