"""Commit subjects as questions, and the imported conversations that produced them as answers, in the evaluated format.

    python -m scripts.benchmarks.subjects CORPUS FOLDER

Takes a corpus with `home/`, `opencode-export/` and `labels/entire-gold.jsonl`. Only what was said is taken, no shell
commands: a commit's subject often stands in the session's own. Subjects of fewer than two words, and of merges, name
nothing that was talked about.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw

from scripts.benchmarks.figures import KIOKU


def make(corpus: Path, folder: Path) -> Path:
    """Write conversations and questions into a folder; return it."""
    with tempfile.TemporaryDirectory() as work:
        home = Path(work) / "home"
        shutil.copytree(corpus / "home", home, symlinks=True)
        for place, _, _ in os.walk(home):
            Path(place).chmod(0o700)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("KIOKU_", "CLAUDE", "XDG_"))}
        exports = sorted(map(str, (corpus / "opencode-export").glob("*/*")))
        for words in (["all"], ["opencode", *exports]):
            subprocess.run(
                [*KIOKU, "import", *words], cwd=home, env={**env, "HOME": str(home)}, check=True, capture_output=True
            )
        (store,) = home.rglob("sessions.db")
        db = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
        query = """SELECT x.key, t.role, t.text, t.at FROM turns t JOIN streams x ON x.id = t.stream
                   WHERE NOT EXISTS (SELECT 1 FROM turns c WHERE c.key = t.key AND c.source < t.source)
                   ORDER BY x.key, t.at, t.id"""
        told: dict[str, list[dict[str, str]]] = {}
        for key, role, text, at in db.execute(query):
            instant = next(db.execute("SELECT strftime('%Y-%m-%dT%H:%M:%SZ', ? / 1000, 'unixepoch')", (at,)))[0]
            told.setdefault(key.rpartition(":")[2], []).append({"role": role, "text": text, "at": instant})
        db.close()
    answers: dict[str, set[str]] = {}
    for line in (corpus / "labels" / "entire-gold.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["session_id"] in told:
            for commit in row["commits"]:
                answers.setdefault(commit["subject"], set()).add(row["session_id"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "conversations.jsonl").open("w") as stream:
        stream.writelines(json.dumps({"id": id, "turns": said}) + "\n" for id, said in told.items())
    with (folder / "questions.jsonl").open("w") as stream:
        stream.writelines(
            json.dumps({"question": subject, "conversations": sorted(ids)}) + "\n"
            for subject, ids in answers.items()
            if len(subject.split()) > 1 and not subject.startswith("Merge ")
        )
    return folder


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(sys.argv[2]))
