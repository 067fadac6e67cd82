"""The tables of a store brought to what this modelport knows: alembic, run by code."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from modelport.errors import CannotStart

FOLDER = Path(__file__).parent / "migrations"
VERSION_TABLE = "modelport_schema"
_ONE = threading.Lock()  # alembic keeps what it is doing in a module


def migrate(connection: Connection, name: str, revision: str = "head") -> None:
    """Run what is missing, in the connection's transaction: all of it, or nothing.

    Raises:
        CannotStart: the store is of a newer modelport.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    scripts = ScriptDirectory(str(FOLDER))
    known = {script.revision for script in scripts.walk_revisions()}
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    unknown = [head for head in found if head not in known]
    if unknown:
        raise CannotStart(
            f"the store {name} was made by a newer modelport: its schema is {unknown[0]}, this one knows up to "
            f"{scripts.get_current_head()}",
            hint="Install that version of modelport, or put back the backup that was made before.",
        )
    if revision == "head" and found == (scripts.get_current_head(),):
        return
    with _ONE:
        command.upgrade(config, revision)
