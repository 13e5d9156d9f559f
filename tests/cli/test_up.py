from pathlib import Path

from rich.console import Console

from cli.stack.addresses import Addresses
from cli.stack.launcher import Stack
from cli.up import _addresses
from settings import Settings


def test_what_is_printed_can_be_opened_and_is_there_once(tmp_path: Path) -> None:
    stack = Stack(Settings(), tmp_path)
    stack.addresses = Addresses.model_construct(**dict.fromkeys(Addresses.model_fields, ""))
    stack.api_url = "http://127.0.0.1:8000"
    console = Console(record=True, width=200)
    console.print(_addresses(stack))
    shown = [line.split()[-1] for line in console.export_text().splitlines() if stack.api_url in line]
    assert shown == ["http://127.0.0.1:8000/docs"]
