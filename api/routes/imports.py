"""Files of recipes and services: import several at once."""

from fastapi import APIRouter

from api.deps import PartsDep, PrincipalDep
from api.imports import import_files
from api.models.imports import FilesImport, ImportedFile, ImportedFiles
from api.problems import responses
from store import slots

router = APIRouter(prefix="/import", tags=["recipes"])


@router.post("", responses=responses(400, 409, 413, 422))
async def import_several_files(body: FilesImport, parts: PartsDep, principal: PrincipalDep) -> ImportedFiles:
    """Take YAML files of recipes and services, all of them or none; what is wrong names its file and place."""
    imported = await import_files(
        parts.database,
        {file.name: file.content for file in body.files},
        parts.activity_types,
        existing=body.existing,
        principal=principal,
    )
    await parts.waker.send(await slots.move_up(parts.database))
    return ImportedFiles(files=[ImportedFile(name=name, **one.model_dump()) for name, one in imported.items()])
