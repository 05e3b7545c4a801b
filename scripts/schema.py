"""Writes down the schema that all migrations make: `python -m scripts.schema`, after a new migration."""

from pathlib import Path

from kioku.store import migrations

Path(migrations.TOLD).write_text(migrations.told(migrations.expected(migrations.VERSION)), encoding="utf-8", newline="")
