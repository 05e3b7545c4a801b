"""Who may see the page: the rules by themselves."""

import pytest

from kioku.web.access import TICKET_LIVES, TICKETS, Answer, Asked, Gate, clean_address

PORT = 3456
HOST = f"127.0.0.1:{PORT}"


class Clock:
    """A clock that a test moves."""

    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def gate(clock: Clock | None = None, instance: str = "a1") -> Gate:
    return Gate(PORT, instance, "the bearer", clock or Clock())


def let_in(found: Gate, **changed: str | None) -> Answer:
    """Ask as a browser does in which a ticket was redeemed, with something changed."""
    cookie = f"{found.cookie_name}={found.redeem(found.ticket())}"
    asked = Asked("GET", "/", HOST, site="same-origin", cookie=cookie)
    return found.judge(asked._replace(**changed))  # type: ignore[arg-type]


def test_a_ticket_works_once_and_for_a_minute() -> None:
    clock = Clock()
    found = gate(clock)
    first, second = found.ticket(), found.ticket()
    assert found.redeem(first)
    assert found.redeem(first) is None
    clock.now += TICKET_LIVES
    assert found.redeem(second) is None
    assert found.redeem("") is None
    late = found.ticket()
    clock.now += TICKET_LIVES - 1
    assert found.redeem(late)


def test_tickets_that_nobody_redeems_do_not_pile_up() -> None:
    found = gate()
    tickets = [found.ticket() for _ in range(200)]
    assert [found.redeem(ticket) is not None for ticket in tickets] == [False] * 136 + [True] * 64


def test_a_browser_that_redeemed_a_ticket_sees_the_page() -> None:
    assert let_in(gate()) is Answer.PERSON
    assert let_in(gate(), site="none") is Answer.PERSON
    assert let_in(gate(), site=None) is Answer.PERSON
    assert let_in(gate(), method="HEAD") is Answer.PERSON
    assert let_in(gate(), host=f"localhost:{PORT}") is Answer.PERSON
    assert let_in(gate(), origin=f"http://{HOST}") is Answer.PERSON


@pytest.mark.parametrize(
    "host",
    [
        "evil.com", f"evil.com:{PORT}", f"0.0.0.0:{PORT}", "127.0.0.1", "127.0.0.1:3457", "localhost", None, "",
        f"127.0.0.1.evil.com:{PORT}", f"[::1]:{PORT}", f"127.0.0.1:{PORT}.", f" 127.0.0.1:{PORT}",
        f"2130706433:{PORT}", f"LOCALHOST.:{PORT}",
    ],
)  # fmt: skip
def test_another_hosts_name_is_refused_whatever_else_is_shown(host: str | None) -> None:
    assert let_in(gate(), host=host) is Answer.ELSEWHERE


@pytest.mark.parametrize(
    "origin",
    ["http://evil.com", "null", "", f"https://{HOST}", f"http://localhost:{PORT}", "http://127.0.0.1:3457", "file://"],
)
def test_another_origin_is_refused(origin: str) -> None:
    assert let_in(gate(), origin=origin) is Answer.FOREIGN


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "NONE", "none, none"])
def test_what_another_site_makes_a_browser_send_is_refused(site: str) -> None:
    assert let_in(gate(), site=site) is Answer.FOREIGN


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_nothing_but_reading_is_answered(method: str) -> None:
    assert let_in(gate(), method=method) is Answer.METHOD


def test_the_cookie_of_another_instance_or_port_or_of_nobody_is_refused() -> None:
    found, other = gate(), gate(instance="b2")
    theirs = other.redeem(other.ticket())
    for cookie in (
        f"{other.cookie_name}={theirs}", f"{found.cookie_name}={theirs}", f"{found.cookie_name}=", "", None,
        f"kioku-3457-a1={found.redeem(found.ticket())}",
    ):  # fmt: skip
        assert let_in(found, cookie=cookie) is Answer.UNKNOWN
    mine = f"{found.cookie_name}={found.redeem(found.ticket())}"
    assert let_in(found, cookie=f"a=b; {found.cookie_name}=planted; {mine}; c=d") is Answer.PERSON


def test_programs_of_the_account_show_the_bearer_token() -> None:
    found = gate()
    asked = Asked("GET", "/metrics", HOST)
    assert found.judge(asked) is Answer.UNKNOWN
    assert found.judge(asked._replace(authorization="Bearer the bearer")) is Answer.PROGRAM
    for wrong in ("Bearer other", "the bearer", "Basic the bearer", "Bearer", "", "Bearer thé"):
        assert found.judge(asked._replace(authorization=wrong)) is Answer.UNKNOWN
    post = Asked("POST", TICKETS, HOST, authorization="Bearer the bearer")
    assert found.judge(post) is Answer.PROGRAM
    assert found.judge(post._replace(authorization=None)) is Answer.UNKNOWN
    assert let_in(found, method="POST", path=TICKETS) is Answer.UNKNOWN


def test_health_alone_answers_whom_nobody_knows() -> None:
    assert gate().judge(Asked("GET", "/health", HOST)) is Answer.ANYBODY
    assert gate().judge(Asked("GET", "/health", "evil.com")) is Answer.ELSEWHERE
    assert gate().judge(Asked("GET", "/health/", HOST)) is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("path", "query", "address"),
    [
        ("/", "", "/"), ("/kioku-1a2b/statistics", "range=week", "/kioku-1a2b/statistics?range=week"),
        ("//evil.com/", "", "/"), ("/\\evil.com", "", "/"), ("https://evil.com/", "", "/"), ("", "", "/"),
        ("/a\r\nSet-Cookie: x", "", "/"), ("/a?b#c", "d=e", "/a%3Fb%23c?d=e"), ("/記憶", "", "/%E8%A8%98%E6%86%B6"),
    ],
)  # fmt: skip
def test_a_redeemed_ticket_leads_to_this_server_alone(path: str, query: str, address: str) -> None:
    assert clean_address(path, query) == address
