"""The roles of workers, and what is missing while no process has one."""

WORKER_ROLES = {
    "missions": "no mission goes on",
    "intake": "nobody hears the agents",
    "relay": "events do not get out, and what a killed process left undone stays so",
}
