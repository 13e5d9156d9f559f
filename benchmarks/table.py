"""What the run shows at its end."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.figures import BUSY, GATE, HELYOS, LATENCY_GOALS, RATE_GOALS, Figure, is_met, quantile, together
from benchmarks.results import Results


def show(results: Results, console: Console) -> None:
    """The figures, the machine, the CPU time, and whether the gate is met."""
    console.print(figures(results))
    for name, each in results.cpu.items():
        console.print(
            f"CPU ms per {'mission' if name == Figure.MISSIONS.name.lower() else 'bare mission'}: {_spent(each)}"
        )
    machine = results.machine
    console.print(
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; load before the run {machine['load_before']}; servers, agents and driver included"
    )
    if results.others > BUSY:
        console.print(
            f"[yellow]Others took {results.others:.0%} of the machine during the load:[/yellow] "
            "absolute figures say little, ratios are rough."
        )
    for line in results.failed:
        console.print(f"[red]failed[/red] mission {line}", soft_wrap=True)
    console.print(gate(results))


def figures(results: Results) -> Table:
    """A row for each figure."""
    table = Table(title="Muster beside its bare engine", box=box.SIMPLE, padding=(0, 1))
    table.add_column("figure", no_wrap=True)
    for column in ("", "p50", "p95", "n", "goal", "", "helyOS", "to bare"):
        table.add_column(column, justify="right", no_wrap=True)

    def row(figure: Figure, unit: str, values: Sequence[float], count: int, goal: str, ratio: float | None) -> None:
        shown = [f"{value:.1f}" for value in values]
        helyos = HELYOS.get(figure)
        table.add_row(
            figure,
            unit,
            *(shown if len(shown) == 2 else [*shown, ""]),
            str(count),
            goal,
            verdict(is_met(figure, values[0])),
            "" if helyos is None else f"{helyos:g}",
            "" if ratio is None else f"{ratio:.2f}",
        )

    for figure, samples in results.latencies.items():
        goal = f"< {LATENCY_GOALS[figure]:g}" if figure in LATENCY_GOALS else ""
        ratio = results.latency_ratio() if figure is Figure.SUBMIT_TO_ASSIGNMENT else None
        row(figure, "ms", [quantile(samples, 0.5), quantile(samples, 0.95)], len(samples), goal, ratio)
    for figure, loads in results.loads.items():
        load, goal = together(loads), f"≥ {RATE_GOALS[figure]:g}" if figure in RATE_GOALS else ""
        middle = results.ratio.rounds.middle if figure is Figure.MISSIONS and results.ratio else None
        row(figure, "/s", [load.rate], load.ended, goal, middle)
    return table


def gate(results: Results) -> str:
    """The line that says whether the run passes."""
    ratio = results.ratio
    if ratio is None:
        return "The gate was not measured."
    spread = ratio.rounds
    by_cpu = "" if results.cpu_ratio is None else f"; by CPU time {results.cpu_ratio:.2f}"
    rounds = f"rounds {spread.low:.2f} / {spread.middle:.2f} / {spread.high:.2f}"
    return (
        f"Gate: missions / bare missions per second, {rounds}, median at least {GATE:g}: "
        f"{verdict(ratio.passes)} (overall {ratio.overall:.2f}{by_cpu})"
    )


def verdict(met: bool | None) -> str:
    """In words."""
    return "" if met is None else "[green]met[/green]" if met else "[red]not met[/red]"


def _spent(each: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in each.items())
