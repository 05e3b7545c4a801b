"""The one SQLite file of a project: connection rules, migrations, and every statement that writes."""
