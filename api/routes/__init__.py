"""One file per resource."""

from api.routes import (
    agents,
    event_types,
    events,
    imports,
    instant_actions,
    map_objects,
    mission_control,
    mission_queues,
    queue,
    recipes,
    services,
    work_process_parts,
    work_processes,
    workers,
    yards,
)

ROUTERS = (
    work_processes.router,
    mission_control.router,
    work_process_parts.router,
    event_types.router,
    mission_queues.router,
    queue.router,
    events.router,
    agents.router,
    instant_actions.router,
    recipes.router,
    services.router,
    imports.router,
    yards.router,
    map_objects.router,
    recipes.activity_types_router,
    workers.router,
)
