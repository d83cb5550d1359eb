"""Alembic's entry: runs the migrations on the connection that the service hands over."""

from alembic import context

from service import account_tables
from service.tables import Base

# Both modules' tables are of one schema.
assert account_tables.Token.metadata is Base.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
