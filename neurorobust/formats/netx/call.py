"""What a caller of netx chooses and a ``.net`` file does not say."""

from dataclasses import asdict, dataclass
from typing import Any

from neurorobust.errors import InvalidInput
from neurorobust.formats.reading import Reading, give
from neurorobust.ir import Array, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class NetxCall:
    """Arguments of ``netx.hdf5.Network`` on which the result depends.

    Attributes:
        num_layers: Records of the file to read; None reads all.
        skip_layers: Records at the start that are left out of the network.
        input_shape: Shape of the input, (C, H, W), where it is an image; needed only where the
            file does not say it.
        input_message_bits: 0 takes any non-zero input as one spike; above 0 inputs are payloads.
        reset_interval: Steps between two resets of all neurons; None for none.
        reset_offset: Phase of the reset. 1 starts every sample from rest where the first layer has
            synapses, 0 where it is an input population.
    """

    num_layers: int | None = None
    skip_layers: int = 0
    input_shape: Shape | None = None
    input_message_bits: int = 0
    reset_interval: int | None = None
    reset_offset: int = 0

    def __post_init__(self) -> None:
        least = {
            "num_layers": (self.num_layers, 1),
            "skip_layers": (self.skip_layers, 0),
            "reset_interval": (self.reset_interval, 1),
            "reset_offset": (self.reset_offset, 0),
        }
        for name, (value, low) in least.items():
            if value is not None and value < low:
                raise InvalidInput(f"{give(name)} is {value}; it must be at least {low}")
        if not 0 <= self.input_message_bits <= 23:
            said = give("input_message_bits", self.input_message_bits)
            raise InvalidInput(f"{said} is out of range; allowed is 0..23")
        if self.input_shape is not None and (
            len(self.input_shape) != 3 or min(self.input_shape) < 1
        ):
            raise InvalidInput(
                f"{give('input_shape', self.input_shape)}; give three sizes, C, H, W"
            )

    @classmethod
    def of(cls, reading: Reading) -> "NetxCall":
        """What was said of a file."""
        return cls(
            num_layers=reading.num_layers,
            skip_layers=reading.skip_layers,
            input_shape=reading.input_shape,
            input_message_bits=reading.input_message_bits,
            reset_interval=reading.reset_interval,
            reset_offset=reading.reset_offset or 0,
        )

    def arguments(self) -> dict[str, Any]:
        """Keywords of ``netx.hdf5.Network``, which takes shapes as (W, H, C)."""
        shape = self.input_shape
        return asdict(self) | {"input_shape": None if shape is None else shape[::-1]}

    def arrange(self, codes: Array) -> Array:
        """Inputs (T, *shape) in the layout of netx: (T, W, H, C), or (T, n) without a shape."""
        if self.input_shape is None:
            return codes.reshape(len(codes), -1)
        return codes.reshape(len(codes), *self.input_shape).transpose(0, 3, 2, 1)
