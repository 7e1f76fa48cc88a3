"""A Graph → ``.nir`` file."""

from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

from neurorobust import __version__
from neurorobust.errors import Unsupported
from neurorobust.files import write_atomic
from neurorobust.formats.nir.document import Entry, hdf5, read_document
from neurorobust.formats.nir.stamp import KEY, original, read_stamp, stamp, stamped_graph
from neurorobust.formats.nir.writing.readers import reader_entry
from neurorobust.formats.nir.writing.strict import strict_entry
from neurorobust.ir import LIF, Graph
from neurorobust.names import require_choice

Profile = Literal["strict", "portable", "snntorch", "norse"]
_DT_S = 1e-4
"""The step that snnTorch assumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NirCall:
    """How a written file is to be read so that it computes the Graph.

    Attributes:
        profile: Which readers it is for.
        dt_s: Duration of a step under which its time constants are those of the Graph.
        soft_reset: Whether Norse is to be called with ``reset_method=reset_subtract``.
        type_check: Whether ``nir.read`` takes it as it is. nir itself declares wrong shapes for
            grouped convolutions and for kernels that are not square; these need
            ``type_check=False``.
    """

    profile: Profile
    dt_s: float
    soft_reset: bool = False
    type_check: bool = True


def save_nir(graph: Graph, path: Path | str, profile: Profile = "strict") -> NirCall:
    """Write a Graph in the Neuromorphic Intermediate Representation.

    Next to NIR's nodes the file says in ``metadata["neurorobust"]`` what NIR has no words for, so
    that ``load`` gives the same Graph again, whatever the profile.

    ========== ====================================================================================
    profile    what NIR's nodes say
    ========== ====================================================================================
    strict     NIR's equations under Euler at the Graph's step; a Graph that was read from a file
               and has not changed is written as that file was, array by array
    portable   the same spikes in snnTorch, Norse (``dt=1e-4``) and SpikingJelly (``dt=1e-4``)
    snntorch   the same spikes in snnTorch
    norse      the same spikes in Norse, called with the Graph's ``dt_s``
    ========== ====================================================================================

    Returns:
        How the file is to be read.

    Raises:
        Unsupported: naming every node that the profile cannot carry exactly, and the way out.
        InvalidFile: if the folder cannot be written.
    """
    import nir

    require_choice("profile", profile, get_args(Profile))
    soft = any(node.reset == "soft" for _, node in graph.of_kind(LIF))
    dt_s = _DT_S if profile in ("portable", "snntorch") else graph.header.dt_s
    call = NirCall(profile=profile, dt_s=dt_s, soft_reset=soft)
    if profile == "strict":
        root = original(graph) or strict_entry(graph)
    else:
        root = reader_entry(graph, profile, dt_s)
    try:
        data = hdf5(root, nir.version)
    except ValueError as error:
        raise Unsupported(f"HDF5 cannot store a node's name ({error}); rename it") from error
    call = replace(call, type_check=_readable(data, call))
    text = stamp(graph, root, version=__version__, profile=profile, call=asdict(call))
    data = hdf5(replace(root, metadata={**root.metadata, KEY: text}), nir.version)
    _check(graph, data, path)
    write_atomic(path, data)
    return call


def _readable(data: bytes, call: NirCall) -> bool:
    """Whether nir itself reads the file with its checks of shapes.

    Raises:
        Unsupported: if it does not, although the profile is for readers that rely on it.
    """
    import nir

    try:
        nir.read(BytesIO(data))
    except (ValueError, TypeError, AssertionError, AttributeError, NotImplementedError) as error:
        if call.profile == "strict":
            return False
        msg = f"nir itself finds wrong shapes in what would be written ({error}); use 'strict'"
        raise Unsupported(msg) from error
    return True


def _check(graph: Graph, data: bytes, path: Path | str) -> None:
    """Read back what was written and hold it against what was meant."""
    root: Entry = read_document(path, BytesIO(data)).root
    found = read_stamp(root)
    if found is None or stamped_graph(found, root).content_hash != graph.content_hash:
        raise Unsupported("what was written reads back as another Graph; save it with save_model")
