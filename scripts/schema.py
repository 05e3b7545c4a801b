"""Writes down the schema that all migrations make: `python -m scripts.schema`, after a new migration."""

from pathlib import Path

from kioku.store import migrations, schema

Path(schema.TOLD).write_text(schema.told(schema.expected(migrations.VERSION)), encoding="utf-8", newline="")
