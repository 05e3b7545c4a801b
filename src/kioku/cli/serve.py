"""`kioku serve`: the recorder and the server, put together and taken apart in order."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kioku import dotenv, project, redaction, settings, times
from kioku.ancestry import client_name, client_process
from kioku.capture.serving import ServerSpool
from kioku.errors import KiokuError, StoreError
from kioku.knowledge import learning
from kioku.mcp.application import Kioku
from kioku.mcp.serving import Server, claim_standard_streams, end_within
from kioku.project import Project
from kioku.sessions import lease, processes
from kioku.sessions.recorder import Client, Recorder
from kioku.settings import Settings
from kioku.store import indexing
from kioku.store.store import Store
from kioku.words import counted

if TYPE_CHECKING:
    from kioku.cli.embedding import Embedding

LONGEST_WAIT_FOR_STORE_S = 1.0
LONGEST_END_S = 1.9  # from the first sign of the end to the end of the process
LONGEST_WAIT_FOR_GIT_S = 0.1  # for each call
LONGEST_INDEXING_MS = 2_000  # of what was said, each time; the rest comes the next time
LEAST_END_S = 0.5  # of it for the last write, however long the answers took

_OTHERS = ("codex", "gemini", "opencode", "copilot")  # clients that start their own servers, and never Claude Code's


def serve(folder: str | None) -> int:
    """Serve one client on standard input and output until it goes; return the exit code."""
    is_gone = processes.parent_watch()  # first of all: the client may go while we start
    say = _sayer()
    try:
        where = project.find(folder, settings.project_variables(), project.working_folder())
        values = settings.load(where.context_dir)
    except KiokuError as error:
        say(str(error))
        return error.exit_code
    times.use_zone(values.zone)
    on_terminal = os.isatty(0)
    embedding = None
    if values.text("search.model") != settings.NO_MODEL:
        from kioku.cli.embedding import Embedding

        embedding = Embedding(values.text("search.model"), where.run_dir)
    redaction.use(redaction.Secrets(values=dotenv.values(where.workdir), allow=values.texts("redaction.allow")))
    recorder = Recorder(
        where,
        values.timeout_ms,
        say,
        client=_client(),
        spool=ServerSpool(where, values.timeout_ms),
        exclude=values.texts("capture.exclude"),
        merge_within_ms=values.merge_within_ms,
        afterwards=lambda store, is_ending: _afterwards(store, where, values, embedding, is_ending),
    )
    application = Kioku(
        recorder, values.number("context.token_budget"), values.calendar, values.number(settings.RESUME_BUDGET),
        None if embedding is None else embedding.helper,
    )  # fmt: skip
    try:
        server = Server(application, *claim_standard_streams())
    except OSError as error:
        say(f"standard input and output are needed to speak with an assistant: {error}")
        return 1
    server.watch_signals()
    application.changed = server.connection.changed
    # Serving begins even if another process holds the store: then the recording catches up.
    begin = threading.Thread(target=recorder.start, daemon=True)
    begin.start()
    begin.join(LONGEST_WAIT_FOR_STORE_S)
    if on_terminal:
        session = None if begin.is_alive() else recorder.session_id()
        began = f"session {session[:8]}" if session else "the session begins as soon as the store can be written"
        say(f"recording {where.name}: {began} (Ctrl+C ends it)")

    def tick() -> bool:
        recorder.tick()
        return is_gone()

    server.run(tick, _stop_children)

    def give_up() -> None:
        if recorder.unrecorded:
            say(f"{counted(recorder.unrecorded, 'activity')} could not be written before the end")

    end_within(max(LEAST_END_S, server.end_began + LONGEST_END_S - time.monotonic()), give_up)
    ended = recorder.session_id() if on_terminal else None
    recorder.stop()
    if on_terminal:
        say(f"session {ended[:8]} ended" if ended else "ended")
    # Not sys.exit: a worker thread may still be inside a read of a file that never answers.
    os._exit(0)


def _client() -> Client:
    """Return what is known of the client that started us."""
    process = client_process(os.getppid())
    named = settings.conversation()
    if named is not None and client_name(os.getppid()) in _OTHERS:
        named = None  # it was started from a terminal of that conversation's, and inherited its variable
    return Client(
        process=None if process is None else processes.token_of(*process),
        conversation=None if named is None else ":".join(named),
    )


def _afterwards(store: Store, where: Project, values: Settings, embedding: "Embedding | None", is_ending: bool) -> None:
    """See to what the next session begins with. At the end there is no time to learn, and little for git."""
    from kioku import resuming

    if not is_ending:
        # What keeps sessions from being looked at is told where something is to be recorded; they wait meanwhile.
        with contextlib.suppress(StoreError):
            learning.learn(store, where, values)  # what keeps project.yaml from following is told by `kioku enrich`
            indexing.catch_up(store, most_ms=LONGEST_INDEXING_MS)
            if embedding is not None:
                embedding.go_on(store)
    budget, judge = values.number(settings.RESUME_BUDGET), lease.judge(where.run_dir)
    resuming.prepare(
        store, where, budget=budget, now=times.now_ms(), judge=judge, exclude=values.texts("capture.exclude"),
        git_deadline_s=LONGEST_WAIT_FOR_GIT_S,
    )  # fmt: skip


def _stop_children() -> None:
    """End every child process, if any was ever started, and let no other start."""
    if "kioku.workspace.children" in sys.modules:
        from kioku.workspace import children  # waits for a thread that is just importing it, and has not defined all

        children.kill_all()


def _sayer() -> Callable[[str], None]:
    def say(text: str) -> None:
        try:
            if sys.stderr is not None:  # it is None where a client closed it; `print` would then take standard output
                print(f"kioku: {redaction.redact(text)}", file=sys.stderr, flush=True)
        except OSError:
            pass  # nobody listens to standard error any more; that must not end the recording

    return say
