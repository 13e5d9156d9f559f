import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.ports import Ports, any_free_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_usual_port_is_used_if_it_is_free(tmp_path: Path) -> None:
    usual = any_free_port()
    assert Ports(tmp_path / "ports.json").choose({"api": usual}) == {"api": usual}


def test_a_taken_port_is_replaced_by_a_free_one(tmp_path: Path, taken: int) -> None:
    chosen = Ports(tmp_path / "ports.json").choose({"api": taken})["api"]
    assert chosen != taken
    assert is_free(chosen)


def test_a_port_taken_on_all_addresses_counts_as_taken() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_the_next_start_uses_the_same_ports(tmp_path: Path, taken: int) -> None:
    first = Ports(tmp_path / "ports.json").choose({"amqp": taken, "epmd": 0})
    assert Ports(tmp_path / "ports.json").choose({"amqp": taken, "epmd": 0}) == first


def test_agents_that_were_given_other_ports_find_them_again_though_the_usual_ones_are_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        usual = server.getsockname()[1]
        moved = Ports(tmp_path / "ports.json").choose({"amqp": usual})
        assert moved != {"amqp": usual}
    assert Ports(tmp_path / "ports.json").choose({"amqp": usual}) == moved
    (tmp_path / "ports.json").unlink()
    assert Ports(tmp_path / "ports.json").choose({"amqp": usual}) == {"amqp": usual}


def test_after_a_failed_bind_other_ports_are_given(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    first = ports.choose({"amqp": 0, "mqtt": 0})
    with socket.create_server(("127.0.0.1", first["amqp"])):
        second = ports.choose({"amqp": 0, "mqtt": 0})
    assert second["amqp"] != first["amqp"]
    assert second["mqtt"] == first["mqtt"]


def test_no_two_names_share_a_port(tmp_path: Path) -> None:
    usual = any_free_port()
    chosen = Ports(tmp_path / "ports.json").choose({"a": usual, "b": usual, "c": 0})
    assert len(set(chosen.values())) == 3
