"""Settings that cannot be meant are refused at the start, without telling what is secret."""

import pytest
from pydantic import ValidationError

from settings import Settings


@pytest.mark.parametrize("name", ["amqp_url", "events_amqp_url"])
@pytest.mark.parametrize(
    "url",
    ["rabbit:5672", "localhost", "http://me:secret@rabbit:15672/", "amqp://", "amqp:///vhost", "amqp://rabbit:56x/"],
)
def test_address_of_a_broker_is_one(name: str, url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: url})
    assert f"\n{name}\n" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "amqp://rabbit", "amqp://me:secret@127.0.0.1:5672/%2Fmine", "amqps://[::1]/"])
def test_address_of_a_broker_is_taken(url: str) -> None:
    settings = Settings(amqp_url=url, events_amqp_url=url)
    assert (settings.amqp_url, settings.events_amqp_url) == (url, url)
