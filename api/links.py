"""Links from a resource to where else to look."""

from api.deps import Parts
from api.models.work_processes import Links


def temporal_links(parts: Parts, workflow_id: str | None) -> Links:
    """The run of a mission or queue in the Temporal UI, if there is one."""
    ui = parts.settings.temporal_ui_url.rstrip("/")
    if not ui or workflow_id is None:
        return Links()
    return Links(temporal_ui=f"{ui}/namespaces/{parts.temporal_namespace}/workflows/{workflow_id}")
