import asyncio
import io
import json
from pathlib import Path

from rich.console import Console

from benchmarks.cpu import Used
from benchmarks.figures import Figure, Load
from benchmarks.load import keep_busy
from benchmarks.results import Results
from benchmarks.table import show

MACHINE = {"cores": 2, "cpu": "some", "memory_gib": 4, "system": "Linux", "python": "3.11", "load_before": 0.1}


def results(missions: float, *, failed: list[str] | None = None) -> Results:
    return Results(
        machine=MACHINE,
        latencies={Figure.SUBMIT_TO_ASSIGNMENT: [90.0, 110.0, 80.0], Figure.BARE_LATENCY: [45.0, 45.0, 50.0]},
        loads={Figure.MISSIONS: [Load(round(missions * 10), 10.0)], Figure.BARE_RATE: [Load(200, 10.0)]},
        cpu={"missions": {"worker": 50.0}},
        failed=failed or [],
    )


def shown(what: Results) -> str:
    out = io.StringIO()
    show(what, Console(file=out, width=120, highlight=False))
    return out.getvalue()


def test_half_of_the_bare_rate_passes() -> None:
    assert results(10).ok
    assert not results(9.9).ok


def test_a_busy_machine_is_told() -> None:
    busy = results(10)
    assert "Others took" not in shown(busy)
    busy.others = 0.4
    assert "Others took 40% of the machine" in shown(busy)


def test_a_failed_mission_spoils_the_run() -> None:
    spoiled = results(20, failed=["7: agent gone"])
    assert not spoiled.ok
    assert "7: agent gone" in shown(spoiled)


def test_without_both_sides_there_is_no_gate() -> None:
    only = Results(machine=MACHINE, loads={Figure.BARE_RATE: [Load(200, 10.0)]})
    assert only.ok
    assert "not measured" in shown(only)


def test_the_table_says_what_is_met() -> None:
    lines = shown(results(10)).splitlines()
    latency = next(line for line in lines if "submit → assignment" in line)
    assert latency.split()[-8:] == ["90.0", "110.0", "3", "<", "100", "met", "2066", "0.50"]
    assert "not met" in next(line for line in lines if "one-step missions" in line)  # 10 of at least 12 a second
    assert "rounds 0.50 / 0.50 / 0.50, median at least 0.5: met" in shown(results(10))


def test_results_are_kept_as_json(tmp_path: Path) -> None:
    kept = json.loads(results(10).write(tmp_path).read_text())
    assert kept["ratio_to_bare"]["overall"] == 0.5
    assert kept["latencies_ms"]["submit_to_assignment"] == {"n": 3, "p50": 90.0, "p95": 110.0, "max": 110.0}
    assert kept["rates_per_s"]["missions"] == {"n": 100, "overall": 10.0, "rounds": [10.0]}


async def test_a_round_counts_everything_it_started_and_the_time_until_quiet() -> None:
    quiet = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.03)

    async def until_quiet() -> None:
        await asyncio.sleep(0.05)
        quiet.set()

    load = await keep_busy([work, work], 0.02, until_quiet)
    assert quiet.is_set()
    assert load.ended == 2  # none is cut off, and none begins after the time
    assert load.seconds >= 0.08


def test_cpu_time_is_shared_among_the_missions() -> None:
    before, after = Used({"worker": 1.0}, 10.0), Used({"worker": 3.0, "api": 1.0}, 16.0)
    assert after.since(before).per(100) == {"worker": 20.0, "api": 10.0}
    assert after.since(before).others == 3.0
