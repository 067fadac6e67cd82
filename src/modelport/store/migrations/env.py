"""What alembic runs: the revisions, on the connection that ``store.migrating`` hands over, within its transaction."""

from alembic import context

from modelport.store.migrating import VERSION_TABLE
from modelport.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite too: the store begins its transactions itself
)
with context.begin_transaction():
    context.run_migrations()
