"""The devices that a mission file names, against each other and against the platform that is to run it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from missions.mission_files.issues import Issues, Place, nearest, shortened
from missions.mission_files.plan import plain_id


@dataclass(frozen=True)
class DeviceFacts:
    """A device that is known."""

    uuid: str
    alias: str | None = None

    @property
    def names(self) -> list[str]:
        """What a file may call it, without the prefix."""
        return [plain_id(self.uuid), *([plain_id(self.alias)] if self.alias else [])]


@dataclass(frozen=True)
class PlatformFacts:
    """A platform and the instruments below it."""

    uuid: str
    alias: str | None = None
    instruments: Sequence[DeviceFacts] = ()

    @property
    def names(self) -> list[str]:
        """What a file may call it, without the prefix."""
        return DeviceFacts(self.uuid, self.alias).names


@dataclass
class References:
    """Where a file names devices; each place's text is the name. `complete`: each `instrumentID` could be read."""

    platform: Place | None = None
    instruments: list[Place] = field(default_factory=list)
    prefixes: list[Place] = field(default_factory=list)
    sources: list[Place] = field(default_factory=list)
    complete: bool = True
    command_text: int = 0  # characters of all commands


def check_by_themselves(references: References, issues: Issues) -> None:
    """What can be said where the platform is not known."""
    listed = {plain_id(place.text) for place in references.instruments}
    platform = references.platform
    _refuse_platform_as_instrument(references, [plain_id(platform.text)] if platform else [], issues)
    taken = ""
    for place in references.prefixes:
        name = plain_id(place.text)
        if name in listed or (platform is not None and name == plain_id(platform.text)):
            continue
        if place.text != name:
            _refuse_unreserved(place, references, issues)
        elif platform is not None:
            message = (
                f"`{shortened(name)}` is taken for the platform, which is `{shortened(platform.text)}` by `platformID`"
            )
            issues.warning(place, message, _remedy_for(place, references))
        elif taken and name != taken:
            message = f"`{shortened(name)}` is taken for the platform, and so is `{shortened(taken)}`"
            issues.warning(place, message, _remedy_for(place, references))
        taken = taken or name


def check_against_platform(references: References, platform: PlatformFacts, issues: Issues) -> None:
    """Every device must be the platform or one of its instruments, and who gets commands must be reserved."""
    uuids = {name: device.uuid for device in platform.instruments for name in device.names}
    own, known = set(platform.names), [*uuids, *platform.names]
    listed = {uuids[plain_id(place.text)] for place in references.instruments if plain_id(place.text) in uuids}
    if references.platform is not None and plain_id(references.platform.text) not in own:
        message = f"the file is written for `{shortened(references.platform.text)}`, not for `{platform.uuid}`"
        issues.warning(references.platform, message, "choose the right platform, or correct `platformID`")
    _refuse_platform_as_instrument(references, own, issues)
    for place in references.instruments:
        if plain_id(place.text) not in own:
            _refuse_unknown(place, uuids, platform, issues)
    for place in references.sources:
        if plain_id(place.text) not in own:
            _refuse_unknown(place, known, platform, issues)
    for place in references.prefixes:
        name = plain_id(place.text)
        if name in own:
            continue
        if name not in uuids:
            _refuse_unknown(place, known, platform, issues)
        elif uuids[name] not in listed:
            _refuse_unreserved(place, references, issues)


def _refuse_platform_as_instrument(references: References, platform: Sequence[str] | set[str], issues: Issues) -> None:
    for place in references.instruments:
        if plain_id(place.text) in platform:
            message = f"`{shortened(place.text)}` is the platform itself"
            issues.error(place, message, "list instruments only; the platform takes commands all the same")


def _refuse_unknown(
    place: Place, known: Sequence[str] | dict[str, str], platform: PlatformFacts, issues: Issues
) -> None:
    name = plain_id(place.text)
    if name in known:
        return
    meant = nearest(name, known)
    below = ", ".join(f"`{device.alias or device.uuid}`" for device in platform.instruments[:10]) or "none"
    remedy = f"write `{meant}`" if meant else f"write one of its instruments: {below}"
    issues.error(place, f"the platform `{platform.uuid}` has no `{shortened(place.text)}`", remedy)


def _refuse_unreserved(place: Place, references: References, issues: Issues) -> None:
    if not references.complete:
        return  # it may be where an error is
    message = f"`{shortened(place.text)}` gets a command, and is in no `instrumentID`: it would not be reserved"
    issues.error(place, message, _remedy_for(place, references))


def _remedy_for(place: Place, references: References) -> str:
    meant = nearest(place.text, _unique(place.text for place in references.instruments))
    return f"write `{meant}`, or add it to `instrumentID`" if meant else "add it to `instrumentID`, or correct it"


def _unique(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
