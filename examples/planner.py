"""A planner service: plans drives for the agents of a mission. Take it as the start of your own.

    python planner.py --port 9000

Muster POSTs `{request, context, config}` to /plan/. This planner takes its time: it answers `pending` with a
`request_id`, and is then asked with GET /plan/{request_id} until the plan is there. A mission that is cancelled
meanwhile sends DELETE.
"""

import argparse
import uuid
from dataclasses import dataclass
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Header

GATE, RAMP = {"x": 10.0, "y": 0.0}, {"x": 20.0, "y": 5.0}

app = FastAPI(title="Planner")
app.state.pending = 2  # how many answers are `pending` before the plan


@dataclass
class Job:
    """One plan that is asked for."""

    answer: dict[str, Any]
    pending: int


jobs: dict[str, Job] = {}


@app.post("/plan/")
def submit(
    request: Annotated[dict[str, Any], Body()],
    context: Annotated[dict[str, Any], Body()],
    idempotency_key: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Take a job. A POST that comes twice (the first answer was lost on its way) has the same key, and is one job."""
    request_id = idempotency_key or str(uuid.uuid4())
    if request_id not in jobs:
        jobs[request_id] = Job(plan(request, context), app.state.pending)
    return _answer(request_id)


@app.get("/plan/{request_id}")
def look(request_id: str) -> dict[str, Any]:
    """Say how far a job is."""
    return _answer(request_id)


@app.delete("/plan/{request_id}")
def cancel(request_id: str) -> dict[str, Any]:
    """Forget a job."""
    jobs.pop(request_id, None)
    return {"request_id": request_id, "status": "canceled"}


def _answer(request_id: str) -> dict[str, Any]:
    job = jobs.get(request_id)
    if job is None:
        return {"request_id": request_id, "status": "failed", "message": "there is no such job"}
    if job.pending > 0:
        job.pending -= 1
        return {"request_id": request_id, "status": "pending"}
    return {"request_id": request_id, **job.answer}


def plan(request: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The first agent opens the gate, then all drive to the ramp side by side, then the last one closes the gate.

    For two agents: four assignments in the order [[0], [1, 2], [3]]. `request` is the mission's `data`; its `seconds`
    say how long each drive takes.
    """
    # A service that is registered with `requireAgentsData` is told of all agents of the yard, others' too.
    agents = [agent for agent in context["agents"] if agent["id"] in context["mission"]["agent_ids"]]
    if not agents:
        return {"status": "failed", "message": "there is nobody to plan for"}
    seconds = request.get("seconds", 1)
    drives = [
        (agents[0], "open the gate", GATE),
        *((agent, "drive to the ramp", RAMP) for agent in agents),
        (agents[-1], "close the gate", GATE),
    ]
    last = len(drives) - 1
    return {
        "status": "successful",
        "results": [
            {"agent_id": int(agent["id"]), "assignment": {"task": task, "to": to, "seconds": seconds}}
            for agent, task, to in drives
        ],
        "dispatch_order": [[0], list(range(1, last)), [last]],
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--pending", type=int, default=2, help="how many answers are `pending` before the plan")
    options = parser.parse_args()
    app.state.pending = options.pending
    uvicorn.run(app, host=options.host, port=options.port)


if __name__ == "__main__":
    main()
