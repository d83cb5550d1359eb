"""`python -m service.cli` is `cuvee`."""

from service.cli.main import app

app()
