"""A planner in a process of its own that takes its time, and whose jobs survive its death.

    python -m faults.stage.planner --port 9000 --jobs FOLDER

The mission's data say what it answers and after how many seconds: `{"answer": {…}, "pending": 3}`. Each request is a
line in `FOLDER/journal`.
"""

import argparse
import json
import os
import re
import time
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Header

app = FastAPI(title="Planner")


def _journal(**facts: Any) -> None:
    line = json.dumps({"at": time.time(), **facts}).encode() + b"\n"
    file = os.open(app.state.jobs / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(file, line)
    os.close(file)


@app.post("/plan/")
def submit(
    request: Annotated[dict[str, Any], Body(embed=True)],
    idempotency_key: Annotated[str, Header()],
) -> dict[str, Any]:
    """Take a job; one that comes twice is one job."""
    request_id = re.sub(r"\W", "-", idempotency_key)
    job = app.state.jobs / f"{request_id}.json"
    _journal(method="POST", job=request_id, known=job.exists())
    if not job.exists():
        new = job.with_suffix(f".{time.monotonic_ns()}")
        new.write_text(json.dumps({"due": time.time() + request.get("pending", 0), "answer": request["answer"]}))
        new.replace(job)
    return _answer(request_id)


@app.get("/plan/{request_id}")
def look(request_id: str) -> dict[str, Any]:
    """Say how far a job is."""
    return _answer(request_id)


@app.delete("/plan/{request_id}")
def cancel(request_id: str) -> dict[str, Any]:
    """Note that a job is not wanted any more."""
    _journal(method="DELETE", job=request_id)
    return {"request_id": request_id, "status": "canceled"}


def _answer(request_id: str) -> dict[str, Any]:
    job = json.loads((app.state.jobs / f"{request_id}.json").read_text())
    if job["due"] > time.time():
        return {"request_id": request_id, "status": "pending"}
    return {"request_id": request_id, **job["answer"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--jobs", type=Path, required=True)
    options = parser.parse_args()
    options.jobs.mkdir(exist_ok=True)
    app.state.jobs = options.jobs
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
