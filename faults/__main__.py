"""`make faults`: kill, cut and flood everything, with a hundred missions in flight, and see that nothing is lost.

python -m faults                      every fault five times
python -m faults --short              each part killed once
python -m faults --seed 7 --only RabbitMQ
"""

import argparse
import asyncio
import logging
import secrets
import signal
import sys
import time

from faults.plan import all_faults
from faults.results import HEADER, verdict
from faults.run import run


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, help="how often each fault is done")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeat the run that had it")
    parser.add_argument("--only", action="append", default=[], help="faults with this in their names")
    parser.add_argument("--part", type=float, default=1.0, help="of the missions of a whole run")
    options = parser.parse_args()
    began = time.monotonic()

    def report(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    faults = all_faults()
    if options.only:
        faults = [fault for fault in faults if any(word in fault.name for word in options.only)]
    print(f"seed {options.seed}", flush=True)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # the broker is killed all the time
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stage is cleared away
    results = asyncio.run(run(faults, times=options.times, seed=options.seed, report=report, part=options.part))
    for result in results:
        for remark in result.remarks:
            print(f"  {result.fault}: {remark}")
        for broken in result.broken:
            print(f"  BROKEN {result.fault}: {broken}")
    print(HEADER)
    for result in results:
        print(result.line())
    text, code = verdict(results)
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
