"""Whether the database answers, and which version of the tables it has."""

from functools import cache

import sqlalchemy as sa
from alembic.script import ScriptDirectory

from portal.db.base import db


@cache
def newest(folder: str) -> str:
    """The version that the code in ``folder`` leads to."""
    return ScriptDirectory(folder).get_current_head() or ""


def version() -> str:
    """The version that the database has; raises a ``SQLAlchemyError`` when it does not answer or has none."""
    return str(db.session.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")
