"""Finding and reading profiles: explicit path → $NEUROROBUST_PROFILES → package → repository."""

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from neurorobust.chips.schema import Profile
from neurorobust.errors import ProfileError
from neurorobust.files import require_file
from neurorobust.names import known_name


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A profile and the file it was read from, for the record of a run."""

    profile: Profile
    path: Path
    sha256: str


def profile_folders() -> list[Path]:
    """Folders that are searched, first to last; those that do not exist are left out."""
    package = Path(__file__).parents[1]
    folders = [Path(p) for p in os.environ.get("NEUROROBUST_PROFILES", "").split(os.pathsep) if p]
    folders += [package / "hw_profiles", package.parent / "hw_profiles"]
    return [folder for folder in folders if folder.is_dir()]


def profile_names() -> tuple[str, ...]:
    """Names of all profiles found."""
    return tuple(
        sorted({path.stem for folder in profile_folders() for path in folder.glob("*.toml")})
    )


def load_profile(name: str | Path) -> LoadedProfile:
    """A profile by name or path.

    Raises:
        ProfileError: if it is unknown, no TOML, or breaks the schema (all faults are listed).
        InvalidFile: if the file is missing or of another kind.
    """
    path = Path(name)
    if path.suffix != ".toml" and len(path.parts) == 1:
        found = known_name(str(name), profile_names(), "hardware profile", ProfileError)
        path = next(p for f in profile_folders() if (p := f / f"{found}.toml").exists())
    require_file(path, "a hardware profile (TOML)", ("toml",), instead=", ".join(profile_names()))
    raw = path.read_bytes()
    try:
        profile = Profile.model_validate(tomllib.loads(raw.decode()))
    except ValidationError as error:
        faults = "\n".join(
            f"  - {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        msg = f"{path}: {error.error_count()} fault(s) in the profile:\n{faults}"
        raise ProfileError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: is not TOML ({error})") from error
    return LoadedProfile(profile, path, hashlib.sha256(raw).hexdigest())
