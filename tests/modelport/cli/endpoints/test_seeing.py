"""What was, as commands tell it: history of an endpoint, the audit trail."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from modelport.cli.endpoints.flags import moment
from modelport.domain.seen import Minute
from tests.modelport.cli.endpoints.conftest import Server

LATENCY = {"latency_p50": 1.5, "latency_p90": None, "latency_p95": None, "latency_p99": None}


def test_history_is_told_of_the_last_hour_or_as_long_as_is_wanted(server: Server) -> None:
    server.ask("online-endpoint", "create", "-n", "churn")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    counted = {"200": 5, "400": 2}
    minutes = [
        Minute(at=now - timedelta(minutes=ago), endpoint="churn", deployment="blue", requests=counted, **LATENCY)
        for ago in (90, 2)
    ]
    with server.world.control.store.writing() as transaction:
        transaction.add_minutes(minutes)
    words = ("online-endpoint", "get-history", "-n", "churn")
    (last,) = server.ask(*words)
    assert (last["requests"], last["requests_total"], last["deployment"]) == (counted, 7, "blue")
    assert len(server.ask(*words, "--since", "2h")) == 2
    assert len(server.ask(*words, "--since", (now - timedelta(minutes=90)).isoformat())) == 2
    table = server.run(*words, "-o", "table").stdout
    assert "Requests_total" in table.splitlines()[0]
    assert server.run(*words, "--query", "[].requests_total", "-o", "tsv").stdout == "7\n"


def test_the_audit_trail_tells_changes_and_refusals(server: Server) -> None:
    server.ask("online-endpoint", "create", "-n", "churn")
    key = server.ask("user", "create", "-n", "ana", "--grant", "read:churn")["key"]
    server.variables["MODELPORT_KEY"], admin = key, server.variables["MODELPORT_KEY"]
    assert server.refuse("online-endpoint", "delete", "-n", "churn", "-y").code == "PERMISSION_DENIED"
    assert server.refuse("audit", "list").code == "PERMISSION_DENIED"
    server.variables["MODELPORT_KEY"] = admin
    told = server.ask("audit", "list", "--query", "[].[who, operation, what, outcome]")
    assert told == [
        ["ana", "list_audit", "server", "refused"],
        ["ana", "delete_online_endpoint", "online-endpoint/churn", "refused"],
        ["admin", "create_user", "user/ana", "done"],
        ["admin", "create_online_endpoint", "online-endpoint/churn", "done"],
    ]
    assert len(server.ask("audit", "list", "-r", "2")) == 2
    assert len(server.ask("audit", "list", "--since", "1d")) == 4
    assert server.ask("audit", "list", "--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []


@pytest.mark.parametrize("text", ["", "yesterday", "5x", "-5m", "2026-13-01", "999999d" * 2, "999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        moment(text)


def test_a_time_without_a_zone_is_local() -> None:
    assert moment("2026-01-31T08:00") == datetime(2026, 1, 31, 8).astimezone()
    assert moment("2026-01-31T08:00+02:00") == datetime(2026, 1, 31, 6, tzinfo=UTC)
    assert abs(moment("30m") - datetime.now(UTC) + timedelta(minutes=30)) < timedelta(seconds=5)
