"""`make faults`: kill, cut and flood everything, with a hundred missions in flight, and see that nothing is lost.

python -m faults                      every fault five times, and a million bad messages, requests, answers
python -m faults --short              each part killed once with fewer missions, and some bad input
python -m faults --seed 7 --only RabbitMQ
"""

import argparse
import asyncio
import logging
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from faults.bad_input.all_of_it import LONG, SHORT, bad_input
from faults.plan import all_faults, each_part_killed
from faults.results import HEADER, Result, Sort, verdict
from faults.run import Report, run

_ENDING = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="`--times 1 --part 0.3`, and less of the bad input")
    parser.add_argument("--times", type=int, help="how often each fault is done (5; with --short 1)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeat the run that had it")
    parser.add_argument("--only", action="append", default=[], help="faults with this in their names; may be repeated")
    parser.add_argument("--part", type=float, help="how many of the usual missions there are, 0 to 1 (1.0)")
    options = parser.parse_args()
    began = time.monotonic()

    def report(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    faults = each_part_killed() if options.short else all_faults()
    if options.only:
        faults = [fault for fault in faults if any(word in fault.name for word in options.only)]
    print(f"seed {options.seed}", flush=True)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # the broker is killed all the time
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stage is cleared away
    times, part = options.times or (1 if options.short else 5), options.part or (0.3 if options.short else 1.0)

    results: list[Result] = []
    complete = True

    async def all_of_it() -> None:
        nonlocal complete
        if faults:
            with until_a_signal(report) as enough:
                results.extend(
                    await run(faults, times=times, seed=options.seed, report=report, part=part, enough=enough)
                )
            if enough.is_set():
                complete = False
                return
        volume = SHORT if options.short else LONG
        try:
            results.extend(await bad_input(volume, options.seed, only=options.only, report=report))
        except Exception:  # what the faults came to is told all the same
            results.append(Result("bad input", broken=[traceback.format_exc()[-3000:]]))

    try:
        asyncio.run(all_of_it())
    except KeyboardInterrupt:
        results.append(Result("what was in hand", broken=["ended by a signal"], sort=Sort.WHOLE))
    if not results:
        parser.error(f"no fault has one of {options.only} in its name")
    for result in results:
        if result.impossible:
            print(f"  {result.fault}: not possible here: {result.impossible}")
        for remark in result.remarks:
            print(f"  {result.fault}: {remark}")
        for broken in result.broken:
            print(f"  BROKEN {result.fault}: {broken}")
    print(HEADER)
    for result in results:
        print(result.line())
    text, code = verdict(results, complete=complete)
    print(text)
    return code


@contextmanager
def until_a_signal(report: Report) -> Iterator[asyncio.Event]:
    """Set by the first SIGINT or SIGTERM, after which what was done is judged; the second ends all at once."""
    enough, loop = asyncio.Event(), asyncio.get_running_loop()

    def leave() -> None:
        for number in _ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)

    def end() -> None:
        report("ends after this fault, and judges what was done; a second signal ends it at once")
        enough.set()
        leave()

    for number in _ENDING:
        loop.add_signal_handler(number, end)
    try:
        yield enough
    finally:
        leave()


if __name__ == "__main__":
    sys.exit(main())
