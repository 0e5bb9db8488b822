"""The migrations lead from nothing to exactly the tables that the code speaks of."""

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

from portal.db.base import Base, db

ROOT = Path(__file__).resolve().parents[2]


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return ScriptDirectory.from_config(config)


def test_there_is_one_head() -> None:
    assert len(scripts().get_heads()) == 1


def test_an_upgrade_from_empty_makes_exactly_the_models(app: Flask) -> None:
    ours = set(Base.metadata.tables)

    def include(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return kind != "table" or name in ours

    with app.app_context(), db.engine.connect() as connection:
        options = {"include_object": include, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []
        missing = ours - set(sa.inspect(connection).get_table_names())
        assert not missing


def test_the_newest_version_is_stamped(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == tuple(scripts().get_heads())


def test_upgrading_twice_changes_nothing(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["upgrade"])
    assert done.exit_code == 0, done.output
