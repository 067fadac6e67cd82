"""The schema: what earlier versions kept is read, a migration is all or nothing, and a newer schema is left alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from modelport.errors import CannotStart
from modelport.store import migrating
from modelport.store.migrating import VERSION_TABLE
from modelport.store.store import Store, _engine, _parsed
from modelport.store.tables import metadata
from modelport.store.transaction import StoredCredential
from tests.modelport.store.samples import (
    NOW,
    audit_entry,
    deployment,
    endpoint,
    environment,
    minute,
    model,
    revision,
    user,
)

Open = Callable[[str], Store]
DUMPS = Path(__file__).parent / "dumps"

NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{before}", None, None


def upgrade():
    op.add_column("settings", sa.Column("size", sa.Integer))
    op.create_table("more", sa.Column("x", sa.Integer))
    op.execute("UPDATE settings SET size = length(value)")
    op.execute("UPDATE models SET document = replace(document, 'ada', 'eve')")
    {last}
"""


@pytest.fixture
def later_version(tmp_path: Path) -> Callable[[str], Path]:
    """The migrations, and one more that ends with this line."""

    def make(last: str) -> Path:
        folder = tmp_path / "later"
        shutil.copytree(migrating.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        before = max(file.stem.removeprefix("revision_") for file in folder.glob("versions/revision_*.py"))
        (folder / "versions" / "revision_9999.py").write_text(NEXT.format(before=before, last=last))
        return folder

    return make


def test_the_migrations_make_the_tables_that_the_code_uses(url: str, opened: Open) -> None:
    opened(url)
    engine = _engine(_parsed(url))
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("dump", sorted(DUMPS.glob("*.sql")), ids=lambda dump: dump.stem)
def test_what_an_earlier_version_kept_is_read(url: str, opened: Open, dump: Path) -> None:
    engine = _engine(_parsed(url))
    with engine.begin() as connection:
        migrating.migrate(connection, "store", dump.stem)
        for statement in dump.read_text().splitlines()[1:]:
            connection.exec_driver_sql(statement)
    engine.dispose()
    with opened(url).writing() as transaction:
        archived = model(version="2", seconds=60, is_archived=True, tags={"team": "it's"})
        assert transaction.models(archived=None) == [archived, model()]
        assert transaction.environments() == [environment()]
        assert transaction.endpoints() == [endpoint(traffic={"blue": 100})]
        assert transaction.deployments() == [deployment()]
        assert transaction.revisions() == [revision(1, workers={"count": 1}, position=0)]
        assert transaction.credentials() == [
            StoredCredential(endpoint().id, "primary", 1, "aa"),
            StoredCredential(endpoint().id, "token", 1, "bb", 1770091506.5),
        ]
        assert (transaction.users(), transaction.digests()) == ([user()], {"ada": "11"})
        assert transaction.audit(10) == [audit_entry()]
        assert transaction.minutes("rent", NOW.replace(year=2000)) == [minute(1)]
        assert (transaction.next_version(), transaction.setting("scheme")) == (2, "1")
        transaction.add_model(model(version=transaction.next_model_version("churn"), seconds=90))
        assert [each.version for each in transaction.models()] == ["3", "1"]


def test_every_revision_has_a_dump_of_what_it_kept() -> None:
    revisions = {file.stem.removeprefix("revision_") for file in migrating.FOLDER.glob("versions/revision_*.py")}
    assert {dump.stem for dump in DUMPS.glob("*.sql")} == revisions


def test_a_later_version_brings_the_data_along(
    url: str, opened: Open, later_version: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(url).writing() as transaction:
        transaction.add_model(model())
        transaction.set_setting("scheme", "four")
    monkeypatch.setattr(migrating, "FOLDER", later_version("pass"))
    with opened(url).reading() as transaction:
        assert transaction.model("churn", "1") == model().model_copy(update={"created_by": "eve"})
    assert _rows(url, "SELECT size FROM settings") == [(4,)]


def test_a_migration_that_fails_changes_nothing(
    url: str, opened: Open, later_version: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(url).writing() as transaction:
        transaction.add_model(model())
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "FOLDER", later_version('op.execute("SELECT * FROM nothing")'))
        with pytest.raises(CannotStart, match=r"cannot be opened: .*nothing"):
            Store.open(url)
    with opened(url).reading() as transaction:
        assert transaction.model("churn", "1") == model()
    engine = _engine(_parsed(url))
    with engine.connect() as connection:
        assert "more" not in inspect(connection).get_table_names()
        assert "size" not in {column["name"] for column in inspect(connection).get_columns("settings")}
    engine.dispose()


def test_a_newer_schema_is_refused_and_left_as_it_is(url: str, opened: Open) -> None:
    opened(url)
    _rows(url, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(
        CannotStart, match="made by a newer modelport: its schema is 9999, this one knows up to"
    ) as error:
        Store.open(url)
    assert error.value.hint is not None and "backup" in error.value.hint
    assert _rows(url, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


def _rows(url: str, sql: str) -> list[tuple[object, ...]]:
    engine = _engine(_parsed(url))
    with engine.begin() as connection:
        done = connection.execute(text(sql))
        rows = [tuple(row) for row in done] if done.returns_rows else []
    engine.dispose()
    return rows
