"""One file per resource."""

from api.routes import (
    agents,
    imports,
    instant_actions,
    map_objects,
    mission_control,
    mission_queues,
    recipes,
    services,
    webhooks,
    work_process_parts,
    work_processes,
    yards,
)

ROUTERS = (
    work_processes.router,
    mission_control.router,
    work_process_parts.router,
    mission_queues.router,
    agents.router,
    instant_actions.router,
    recipes.router,
    services.router,
    imports.router,
    yards.router,
    map_objects.router,
    webhooks.router,
    recipes.activity_types_router,
)
