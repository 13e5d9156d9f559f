"""Signatures, schedule, filters and addresses of webhooks, as pure decisions."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from missions.addresses import AddressPolicy, is_public
from missions.event_filters import known_word
from missions.events import EventType
from missions.webhook_schedule import Outcome, delay_after, read_retry_after
from missions.webhook_signatures import check_secret, keys_at, new_secret, signed_headers
from settings import Settings

NOW = datetime(2030, 1, 31, 6, tzinfo=UTC)
SCHEDULE = (5, 300)


def outcome(status: int | None, retry_after: float | None = None) -> Outcome:
    return Outcome(NOW, 1.0, status, retry_after=retry_after)


def test_each_secret_verifies_alone() -> None:
    keys, body = [new_secret(), new_secret()], '{"name": "ä"}'.encode()
    headers = signed_headers("id-1", int(datetime.now(UTC).timestamp()), body, keys)
    for key in keys:
        assert check_secret(key) == key
        assert Webhook(key).verify(body, headers) == {"name": "ä"}


def test_old_secret_signs_until_its_time_is_over() -> None:
    row = {"secret": "new", "previous_secret": "old", "previous_secret_until": NOW}
    assert keys_at(NOW - timedelta(seconds=1), row) == ["new", "old"]
    assert keys_at(NOW, row) == ["new"]
    assert keys_at(NOW, row | {"previous_secret_until": None}) == ["new"]


def test_attempts_follow_the_schedule_with_jitter_and_end() -> None:
    assert [delay_after(outcome(500), tries, SCHEDULE, 0.5) for tries in (1, 2, 3)] == [5, 300, None]
    assert delay_after(outcome(500), 1, (), 0.5) is None
    assert delay_after(outcome(500), 2, SCHEDULE, 0) == pytest.approx(270)
    assert delay_after(outcome(500), 2, SCHEDULE, 1) == pytest.approx(330)


@pytest.mark.parametrize(("status", "delay"), [(429, 60), (502, 60), (503, 60), (504, 60), (500, 5), (400, 5)])
def test_who_is_throttled_waits_as_asked(status: int, delay: float) -> None:
    assert delay_after(outcome(status, 60), 1, SCHEDULE, 0.5) == delay
    assert delay_after(outcome(status, 1), 1, SCHEDULE, 0.5) == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("17", 17),
        (" 17 ", 17),
        ("9" * 400, 86_400),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Thu, 31 Jan 2030 06:01:00 GMT", 60),
        ("Thu, 31 Jan 2030 05:00:00 GMT", 0),
        ("Thu, 31 Jan 2040 05:00:00 GMT", 86_400),
    ],
)
def test_retry_after_is_read_within_bounds(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, NOW) == seconds


@pytest.mark.parametrize(("status", "good"), [(200, True), (299, True), (199, False), (301, False), (None, False)])
def test_only_2xx_is_success(status: int | None, good: bool) -> None:
    assert outcome(status).succeeded is good


def test_types_and_families_are_known_and_others_have_near_ones() -> None:
    for word in (*EventType, "task.*", "work_process.*", "mission.*", "mission.thread.*"):
        assert known_word(word) == word
    with pytest.raises(ValueError, match=r"task\.failed"):
        known_word("task.faild")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.31.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "192.88.99.1",
        "fec0::1",
        "feff::1",
        "3fff::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not AddressPolicy().allows(ip_address(address))
    assert AddressPolicy(allow_private=True).allows(ip_address(address))


def test_settings_take_networks_and_delays_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_WEBHOOK_ALLOWED_NETWORKS", "10.1.0.0/16, fd00::/8")
    monkeypatch.setenv("MUSTER_WEBHOOK_SCHEDULE", "5,1.5")
    settings = Settings()
    assert settings.webhook_allowed_networks == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert settings.webhook_schedule == (5, 1.5)
    for name, value in (("ALLOWED_NETWORKS", "10.1.0.1/16"), ("SCHEDULE", "soon"), ("SCHEDULE", "0,-1")):
        with monkeypatch.context() as wrong:
            wrong.setenv(f"MUSTER_WEBHOOK_{name}", value)
            with pytest.raises(ValidationError):
                Settings()


def test_listed_networks_are_allowed_and_no_others() -> None:
    policy = AddressPolicy(networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert policy.allows(ip_address("10.1.2.3"))
    assert policy.allows(ip_address("::ffff:10.1.2.3"))
    assert policy.allows(ip_address("fd00::1"))
    assert policy.allows(ip_address("93.184.215.14"))
    assert not policy.allows(ip_address("10.2.0.1"))
