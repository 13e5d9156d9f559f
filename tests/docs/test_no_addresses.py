"""No file names a package registry's host (who installs decides on it) or a folder of one machine."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Put together here, so that this file itself does not hold them.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("maven", "org"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
    )
]
FOLDERS = ["/".join(("", *parts)) for parts in (("work", "main"), ("work", "shared"), ("work", "."))]


def files() -> list[Path]:
    """What git tracks, and what it would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    found = []
    for path in files():
        content = path.read_bytes().decode(errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in (*HOSTS, *FOLDERS) if word in content]
    assert found == []
