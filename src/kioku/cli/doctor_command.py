"""`kioku doctor`: whether everything is well."""

import click

from kioku import times
from kioku.cli import places
from kioku.cli.output import a_number, json_option, print_json, print_line, project_option
from kioku.doctor import checks
from kioku.doctor.finding import Finding, State


@click.command("doctor")
@project_option
@json_option
@click.option("--fix", is_flag=True, help="Mend what can be mended safely.")
@click.option("--rebuild", is_flag=True, help="Derive every session anew from its activities, and compare.")
@click.option(
    "--timeout",
    "timeout_minutes",
    type=click.FloatRange(1, 1440),
    callback=a_number,
    metavar="MINUTES",
    help="With --rebuild: the silence that ends a session, for all that was ever recorded.",
)
@click.option("--adopt", is_flag=True, help="Trust a store that came from elsewhere as your own.")
def command(
    folder: str | None, as_json: bool, fix: bool, rebuild: bool, timeout_minutes: float | None, adopt: bool
) -> int:
    """Check that everything is well.

    Looks at the store, the sessions, the servers and whether each assistant is heard; ends with 1 if there is a
    problem. Changes nothing unless asked.
    """
    if timeout_minutes is not None and not rebuild:
        raise click.UsageError("--timeout goes with --rebuild")
    where, _ = places.find(folder)
    now = times.now_ms()
    said: list[Finding] = []
    if rebuild:
        with places.opened(where) as store:
            timeout_ms = None if timeout_minutes is None else round(timeout_minutes * times.MINUTE)
            result = checks.rebuild(store, now, timeout_ms)
        differing = f"{len(result.different)} differ from before" if result.different else "the same rows as before"
        state: State = "warning" if result.different and timeout_minutes is None else "ok"
        said.append(
            Finding(check="rebuild", state=state, found=f"{result.sessions} sessions derived anew, {differing}")
        )
    if adopt:
        with places.opened(where) as store:
            checks.adopt(store)
        said.append(Finding(check="adopt", state="ok", found=f"{where.store_path} counts as your own from now on"))
    findings = checks.examine(where, now)
    if fix:
        mendable = [finding for finding in findings if finding.mend is not None]
        for finding in mendable:
            assert finding.mend is not None
            finding.mend()
            said.append(Finding(check="fix", state="ok", found=f"mended: {finding.found}"))
        findings = checks.examine(where, now) if mendable else findings
    findings = said + findings
    if as_json:
        print_json({"findings": [finding.as_json() for finding in findings]})
    else:
        for finding in findings:
            _print(finding)
    return int(any(finding.state == "problem" for finding in findings))


def _print(finding: Finding) -> None:
    colour = {"ok": "green", "warning": "yellow", "problem": "bold red"}[finding.state]
    print_line((f"{finding.state:<8} ", colour), (f"{finding.check:<12} {finding.found}", ""))
    if finding.why:
        print_line((f"{'':22}{finding.why}", ""))
    if finding.fix:
        print_line((f"{'':22}fix: {finding.fix}", ""))
