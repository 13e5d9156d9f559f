"""Requests made of the API's own description, good and bad, of an API that runs; and odd HTTP beneath them.

    python -m faults.bad_input.api_requests --seed 7 --examples 50

schemathesis makes the requests and holds the answers against the description (its own process); odd_http opens
the connections. Broken is: any 5xx, any answer that the description does not have, none within 10 s, an error in a log
of Muster's, and that no ordinary mission runs afterwards.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.bad_input.furniture import PLATFORM, furnish
from faults.bad_input.ground import Ground, ground
from faults.bad_input.odd_http.all_of_it import odd_http
from faults.results import HEADER, Result, verdict

FAULT = "API: requests made of its description"
PHASES = ("examples", "coverage", "fuzzing", "stateful")
LONGEST = 10
"""Seconds that any answer may take."""

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "allow_header_conformance",
    "ignored_auth",
)

# Of the ids in paths most are of something that is there. A version that is over (412) and a body too large (413) are
# told before a body is looked at.
_CONFIGURATION = f"""
[dictionaries.ids]
values = [1, 2, 3, 4, 5, 6]
[dictionaries.platforms]
values = ["{PLATFORM}", "furnished-agent-0"]
[dictionaries.missions]
values = ["m1"]
[parameters]
"path.id" = {{dictionary = "ids", probability = 0.7}}
"path.followerId" = {{dictionary = "ids", probability = 0.7}}
"path.objectId" = {{dictionary = "ids", probability = 0.7}}
"path.deliveryId" = {{dictionary = "ids", probability = 0.7}}
"path.platform" = {{dictionary = "platforms", probability = 0.7}}
"path.missionId" = {{dictionary = "missions", probability = 0.7}}
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 409, 410, 412, 413, 415, 422]
[[operations]]
include-path = "/api/v1/mission-files/validate"
checks.negative_data_rejection.enabled = false  # it takes any text, and answers what is wrong with it
[[operations]]
include-path-regex = '/platforms/\\{{id\\}}'
[operations.parameters]
"path.id" = {{dictionary = "platforms", probability = 0.7}}  # a text: numbers would count as wrong, and are taken
"""


def _is_lawful(title: str, operation: str) -> bool:
    # A body in YAML passes its setting above by in some phases.
    if title == "Schema-violating request accepted":
        return operation == "POST /api/v1/mission-files/validate"
    # `import` is a recipe's name too, and in the place of a service's id: `Allow` names the methods of both.
    return title == "Allow header mismatch" and operation.endswith("/import")


async def api_requests(ground: Ground, seed: int, examples: int, phases: Sequence[str] = PHASES) -> Result:
    """The line of the report; `examples`: requests of each operation and phase."""
    result = Result(FAULT)
    await furnish(ground)
    with tempfile.TemporaryDirectory() as folder:
        report, said = await _schemathesis(ground, seed, examples, phases, Path(folder))
    result.times = report["test_cases"]["generated"]
    result.missions = (await ground.get("/work-processes", limit=1))["items"][0]["id"]
    for failure in report["failures"]:
        result.broken += [
            f"{failure['title']}: {operation}"
            for operation in failure["operations"]
            if not _is_lawful(failure["title"], operation)
        ]
    result.broken += [f"schemathesis could not go on: {error}" for error in report["errors"]]
    if result.broken:
        kept = Path(tempfile.gettempdir()) / f"muster-api-requests-{secrets.token_hex(4)}.txt"
        kept.write_text(said)
        result.remarks.append(f"what was sent and what came is in {kept}")
    odd = await odd_http(ground, seed, limit=LONGEST)
    result.times += odd.times
    result.broken += odd.broken
    result.remarks += odd.remarks
    result.broken += await ground.still_works() + ground.logged()
    return result


async def _schemathesis(
    ground: Ground, seed: int, examples: int, phases: Sequence[str], folder: Path
) -> tuple[Any, str]:
    """What it found, as data and as text."""
    configuration, report = folder / "schemathesis.toml", folder / "report.json"
    configuration.write_text(_CONFIGURATION)
    options = {
        "--header": f"Authorization: Bearer {ground.token}",
        "--phases": ",".join(phases),
        "--checks": ",".join(_CHECKS),
        "--exclude-path-regex": "/stream$",  # they never end; odd_http reads one
        "--max-response-time": LONGEST,
        "--request-timeout": LONGEST + 5,
        "--seed": seed,
        "--max-examples": examples,
        "--workers": 1,  # two threads at Hypothesis meet a fault of CPython 3.11 (ast.parse)
        "--generation-database": "none",
        "--report": "json",
        "--report-json-path": report,
        "--suppress-health-check": "all",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", str(configuration), "run", f"{ground.stack.api_url}/openapi.json"),
        *("--continue-on-failure", "--no-shrink", "--no-color"),
        *(str(part) for option in options.items() for part in option),
        cwd=folder,
        env={**os.environ, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if not report.exists():
        raise RuntimeError(f"schemathesis gave no report:\n{said.decode(errors='replace')[-3000:]}")
    return json.loads(report.read_text()), said.decode(errors="replace")


async def main(seed: int, examples: int) -> int:
    """Run alone, and print the line."""
    async with ground() as made:
        result = await api_requests(made, seed, examples)
    return told([result], seed)


def told(results: list[Result], seed: int) -> int:
    """Print the lines with all that there is to tell; the exit code."""
    print(HEADER)
    for result in results:
        print(result.line())
        for text in (*(f"  broken: {text}" for text in result.broken), *(f"  {text}" for text in result.remarks)):
            print(text)
    words, code = verdict(results)
    print(f"{words} Seed {seed}.")
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--examples", type=int, default=50, help="requests of each operation and phase")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.seed, arguments.examples)))
