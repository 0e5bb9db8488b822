"""Everything an app needs, imported: processes that are forked from one that did this start in a moment."""

import tempfile
from pathlib import Path

from portal import create_app
from tests.databases import Database

create_app(
    Database(
        kind="sqlite", url="sqlite:///never-opened.sqlite", folder=Path(tempfile.gettempdir())
    ).settings()
)
