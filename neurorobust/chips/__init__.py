"""Hardware profiles: facts about chips as data, each with its source."""

from neurorobust.chips.load import LoadedProfile, load_profile, profile_names
from neurorobust.chips.schema import Leaf, Profile, whole

__all__ = ["Leaf", "LoadedProfile", "Profile", "load_profile", "profile_names", "whole"]
