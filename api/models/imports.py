"""Files of recipes and services in one request."""

from typing import Annotated

from pydantic import Field, field_validator

from api.imports import Existing, Imported
from api.models.base import Resource
from missions.requests import Request, Words


class FileContent(Request):
    """One file."""

    name: Words = Field(min_length=1, examples=["recipes.yml"], description="as problems are to name it")
    content: str = Field(
        examples=["recipes: [{name: driving, steps: [{step: plan_drive, serviceType: drive}]}]"], description="YAML"
    )


class FilesImport(Request):
    """Several files."""

    files: list[FileContent] = Field(min_length=1, max_length=1000)
    existing: Annotated[Existing, Field(strict=False)] = Field(
        Existing.KEEP, description="what to do with names that are there already"
    )

    @field_validator("files")
    @classmethod
    def _each_once(cls, files: list[FileContent]) -> list[FileContent]:
        if len({file.name for file in files}) < len(files):
            raise ValueError("two files have the same name; give each its own")
        return files


class ImportedFile(Imported):
    """What became of the names in one file."""

    name: str


class ImportedFiles(Resource):
    """What became of each file."""

    files: list[ImportedFile]
