"""What is written is what is read, on both databases; what forbids a change is said as an error of ours."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from modelport.errors import Conflict, InvalidInput, NotFound
from modelport.store.store import Store
from modelport.store.transaction import StoredCredential
from tests.modelport.store.samples import (
    NOW,
    audit_entry,
    deployment,
    endpoint,
    environment,
    minute,
    model,
    revision,
    user,
)


def test_models_are_read_as_they_were_written(store: Store) -> None:
    first = model(
        tags={"größe": "ß 漢字 \U0001f600"}, description="a 'quoted'\nline", flavors={"python": {"x": [1, None]}}
    )
    with store.writing() as transaction:
        transaction.add_model(first)
        assert transaction.model("churn", "1") == first
    with store.reading() as transaction:
        assert transaction.model("churn", "1") == first
        assert transaction.model("churn", "2") is None
        assert transaction.model("Churn", "1") is None


def test_models_are_listed_newest_first_and_by_name_and_archived(store: Store) -> None:
    with store.writing() as transaction:
        for made in (model(version="b", seconds=2), model(version="a", seconds=1), model("rent", "1", 3)):
            transaction.add_model(made)
        transaction.add_model(model(version="c", seconds=2))  # at the same instant: the one that came later is newer
        transaction.replace_model(model(version="b", seconds=2, is_archived=True))
    with store.reading() as transaction:
        assert [(each.name, each.version) for each in transaction.models()] == [
            ("rent", "1"),
            ("churn", "c"),
            ("churn", "a"),
        ]
        assert [each.version for each in transaction.models("churn", archived=True)] == ["b"]
        assert [each.version for each in transaction.models("churn", archived=None)] == ["c", "b", "a"]
        assert transaction.models("nothing") == []


def test_the_latest_model_is_the_newest_that_is_not_archived(store: Store) -> None:
    with store.writing() as transaction:
        assert transaction.latest_model("churn") is None
        transaction.add_model(model(version="2", seconds=1))
        transaction.add_model(model(version="10", seconds=2))
        transaction.add_model(model(version="9", seconds=3))
        latest = [transaction.latest_model("churn")]
        transaction.replace_model(model(version="9", seconds=3, is_archived=True))
        latest.append(transaction.latest_model("churn"))
    assert [each and each.version for each in latest] == ["9", "10"]


@pytest.mark.parametrize(
    ("versions", "following"),
    [([], "1"), (["1", "2"], "3"), (["9", "10"], "11"), (["v7", "2.5"], "1"), (["007"], "8"), (["9" * 40, "3"], "4")],
)
def test_the_next_version_follows_the_largest_whole_number(store: Store, versions: list[str], following: str) -> None:
    with store.writing() as transaction:
        transaction.add_model(model("other", "99"))
        for version in versions:
            transaction.add_model(model(version=version, is_archived=True))
        assert transaction.next_model_version("churn") == following


def test_a_version_exists_once_and_what_follows_a_conflict_is_kept(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_model(model())
    with store.writing() as transaction:
        with pytest.raises(Conflict, match="model churn:1 exists already"):
            transaction.add_model(model())
        transaction.add_model(model(version="2"))
    with store.reading() as transaction:
        assert len(transaction.models()) == 2


def test_environments_are_kept_like_models(store: Store) -> None:
    with store.writing() as transaction:
        assert transaction.next_environment_version("base") == "1"
        transaction.add_environment(environment())
        transaction.add_environment(environment(version="2", seconds=1))
        with pytest.raises(Conflict, match="environment base:1 exists already"):
            transaction.add_environment(environment())
        transaction.replace_environment(environment(version="2", seconds=1, is_archived=True))
        with pytest.raises(NotFound, match="there is no environment base:7"):
            transaction.replace_environment(environment(version="7"))
    with store.reading() as transaction:
        assert transaction.environment("base", "1") == environment()
        assert transaction.latest_environment("base") == environment()
        assert [each.version for each in transaction.environments(archived=None)] == ["2", "1"]
        assert transaction.next_environment_version("base") == "3"
        assert transaction.models(archived=None) == []


def test_endpoints_are_listed_by_name(store: Store) -> None:
    with store.writing() as transaction:
        for name in ("rent", "churn", "rent-2", "a10", "a-1"):
            transaction.add_endpoint(endpoint(name))
    with store.reading() as transaction:
        assert [each.name for each in transaction.endpoints()] == ["a-1", "a10", "churn", "rent", "rent-2"]
        assert transaction.endpoint("rent") == endpoint()
        assert transaction.endpoint("nothing") is None


def test_an_endpoint_replaces_itself_and_never_a_later_one_of_its_name(store: Store) -> None:
    changed = endpoint(traffic={"blue": 100})
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.replace_endpoint(changed)
        assert transaction.endpoint("rent") == changed
        transaction.remove_endpoint("rent")
        transaction.add_endpoint(endpoint(number=2))
        with pytest.raises(NotFound, match="there is no online endpoint rent"):
            transaction.replace_endpoint(changed)
        with pytest.raises(Conflict, match="online endpoint rent exists already"):
            transaction.add_endpoint(endpoint(number=3))
    with store.reading() as transaction:
        assert transaction.endpoint("rent") == endpoint(number=2)


def test_an_endpoint_with_deployments_stays(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.add_deployment(deployment("green"))
        transaction.add_deployment(deployment("blue"))
        with pytest.raises(Conflict, match="still has deployments: blue, green"):
            transaction.remove_endpoint("rent")
        transaction.remove_deployment("rent", "blue")
        transaction.remove_deployment("rent", "green")
        transaction.remove_endpoint("rent")
        assert transaction.endpoints() == []


def test_deployments_belong_to_an_endpoint(store: Store) -> None:
    with store.writing() as transaction:
        for name in ("rent", "churn"):
            transaction.add_endpoint(endpoint(name))
            for colour in ("green", "blue"):
                transaction.add_deployment(deployment(colour, name))
        with pytest.raises(Conflict, match="online deployment rent/blue exists already"):
            transaction.add_deployment(deployment())
        with pytest.raises(NotFound, match="there is no online endpoint nothing"):
            transaction.add_deployment(deployment(endpoint_name="nothing"))
        transaction.replace_deployment(deployment(error={"code": "X", "message": "y"}))
        with pytest.raises(NotFound, match="there is no online deployment rent/red"):
            transaction.replace_deployment(deployment("red"))
    with store.reading() as transaction:
        assert [(each.endpoint_name, each.name) for each in transaction.deployments()] == [
            ("churn", "blue"),
            ("churn", "green"),
            ("rent", "blue"),
            ("rent", "green"),
        ]
        assert [each.name for each in transaction.deployments("rent")] == ["blue", "green"]
        assert transaction.deployment("rent", "blue") == deployment(error={"code": "X", "message": "y"})
        assert transaction.deployment("rent", "red") is None


def test_revisions_go_with_their_deployment(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.add_deployment(deployment())
        for number in (10, 2, 1):
            transaction.put_revision(revision(number))
        transaction.put_revision(revision(2, workers={"count": 2}, position=7))
        with pytest.raises(NotFound, match="of the id nobody"):
            transaction.put_revision(revision(1, "nobody"))
        assert [each.number for each in transaction.revisions()] == [1, 2, 10]
        transaction.remove_revision("deployment-rent-blue", 1)
        transaction.remove_revision("deployment-rent-blue", 1)
        assert transaction.revisions("deployment-rent-blue") == [
            revision(2, workers={"count": 2}, position=7),
            revision(10),
        ]
        assert transaction.revisions("nobody") == []
        transaction.remove_deployment("rent", "blue")
        assert transaction.revisions() == []


def test_a_key_takes_the_place_of_its_slot_and_tokens_add_up(store: Store) -> None:
    of = endpoint().id
    primary, secondary = StoredCredential(of, "primary", 1, "aa"), StoredCredential(of, "secondary", 1, "bb")
    tokens = [StoredCredential(of, "token", 1, f"c{number}", 100.25 + number) for number in range(3)]
    with store.writing() as transaction:
        transaction.add_endpoint(endpoint())
        transaction.add_endpoint(endpoint("churn"))
        for credential in (primary, secondary, *tokens):
            transaction.put_credential(credential)
        newer = StoredCredential(of, "primary", 2, "dd")
        transaction.put_credential(newer)
        assert transaction.credentials(of) == transaction.credentials() == [newer, secondary, *tokens]
        assert transaction.remove_expired_credentials(101.25) == 2
        assert transaction.credentials(of) == [newer, secondary, tokens[2]]
        other = StoredCredential(endpoint("churn").id, "primary", 1, "aa")
        transaction.put_credential(other)
        transaction.remove_credentials(of)
        assert transaction.credentials() == [other]
        transaction.remove_endpoint("churn")
        assert transaction.credentials() == []
        with pytest.raises(NotFound, match="of the id nobody"):
            transaction.put_credential(StoredCredential("nobody", "primary", 1, "aa"))


def test_users_are_found_by_name_and_by_the_hash_of_their_key(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_user(user("grace"), "22")
        transaction.add_user(user("ada"), "11")
        with pytest.raises(Conflict, match="user ada exists already"):
            transaction.add_user(user("ada"), "33")
    with store.reading() as transaction:
        assert transaction.user("ada") == user("ada")
        assert transaction.user_by_digest("22") == user("grace")
        assert transaction.user_by_digest("33") is None
        assert [each.name for each in transaction.users()] == ["ada", "grace"]
        assert transaction.digests() == {"ada": "11", "grace": "22"}
    with store.writing() as transaction:
        transaction.remove_user("ada")
        assert transaction.user("ada") is None
        assert transaction.user_by_digest("11") is None


def test_the_audit_is_told_newest_first(store: Store) -> None:
    with store.writing() as transaction:
        for operation in ("create", "update", "delete"):
            transaction.add_audit(audit_entry(operation))
        assert [entry.operation for entry in transaction.audit(2)] == ["delete", "update"]
        assert transaction.audit(10)[-1] == audit_entry("create")


def test_minutes_are_told_oldest_first_and_forgotten(store: Store) -> None:
    with store.writing() as transaction:
        transaction.add_minutes([])
        transaction.add_minutes([minute(2), minute(1), minute(1, "green"), minute(1, endpoint="churn")])
        transaction.add_minutes([minute(2, requests=5)])
        every = [minute(1), minute(1, "green"), minute(2, requests=5)]
        assert transaction.minutes("rent", NOW - timedelta(days=1)) == every
        assert transaction.minutes("rent", minute(2).at) == every[2:]
        transaction.remove_minutes_before(minute(2).at)
        assert transaction.minutes("rent", NOW - timedelta(days=1)) == every[2:]
        assert transaction.minutes("churn", NOW - timedelta(days=1)) == []


def test_instants_of_another_zone_are_the_same(store: Store) -> None:
    tokyo = minute(1).at.astimezone(timezone(timedelta(hours=9)))
    with store.writing() as transaction:
        transaction.add_minutes([minute(0), minute(1)])
        assert transaction.minutes("rent", tokyo) == [minute(1)]
        assert transaction.minutes("rent", datetime.min.replace(tzinfo=UTC))[0].at.utcoffset() == timedelta(0)


def test_the_version_of_the_table_only_grows(store: Store) -> None:
    with store.writing() as transaction:
        assert [transaction.next_version() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ZeroDivisionError), store.writing() as transaction:
        assert transaction.next_version() == 4
        1 / 0
    with store.writing() as transaction:
        assert transaction.next_version() == 4


def test_settings_are_kept(store: Store) -> None:
    with store.writing() as transaction:
        assert transaction.setting("scheme") is None
        transaction.set_setting("scheme", "1")
        transaction.set_setting("scheme", "2")
        transaction.set_setting("other", "")
    with store.reading() as transaction:
        assert transaction.setting("scheme") == "2"
        assert transaction.setting("other") == ""


@pytest.mark.parametrize("text", ["1'; DROP TABLE models; --", "%s", "%(x)s", ":x", "?", "\\"])
def test_what_looks_like_sql_is_text(store: Store, text: str) -> None:
    with store.writing() as transaction:
        transaction.add_model(model(description=text))
        transaction.set_setting(text, text)
        assert transaction.model("churn", "1") == model(description=text)
        assert transaction.setting(text) == text
        assert transaction.model("churn", text) is None


def test_text_that_cannot_be_kept_is_the_callers_mistake(store: Store, url: str) -> None:
    with store.reading() as transaction, pytest.raises(InvalidInput, match="cannot be kept or looked for"):
        transaction.model("churn", "\ud800")
    with store.reading() as transaction:
        if url.startswith("postgresql"):
            with pytest.raises(InvalidInput, match="cannot be kept or looked for"):
                transaction.model("churn", "\0")
        else:
            assert transaction.model("churn", "\0") is None


def test_a_reading_transaction_writes_nothing(store: Store) -> None:
    with store.reading() as transaction, pytest.raises(RuntimeError, match="cannot write"):
        transaction.add_model(model())
