"""Hardware profiles: facts about chips as data, each with its source."""

from neurorobust.chips.leaf import Leaf, whole
from neurorobust.chips.load import LoadedProfile, load_profile, profile_names
from neurorobust.chips.schema import Profile

__all__ = ["Leaf", "LoadedProfile", "Profile", "load_profile", "profile_names", "whole"]
