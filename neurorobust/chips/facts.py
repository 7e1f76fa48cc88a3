"""What rules and formulas speak of: facts of networks, layers, synapses, blocks and runs."""

SYNAPSE_GEOMETRY = {
    "c": "channels read",
    "cy": "height read",
    "cx": "width read",
    "f": "channels written (filters)",
    "fy": "height written",
    "fx": "width written",
    "ky": "height of the kernel; all that is read, if dense",
    "kx": "width of the kernel; all that is read, if dense",
    "sy": "vertical stride",
    "sx": "horizontal stride",
    "py": "vertical padding",
    "px": "horizontal padding",
    "dilation": "largest distance between taps",
    "groups": "blocks of channels",
    "pool_y": "height of the pooling before the synapse; 1 for none",
    "pool_x": "width of the pooling before the synapse; 1 for none",
    "pool_sy": "vertical stride of the pooling",
    "pool_sx": "horizontal stride of the pooling",
    "pool_after": "poolings between synapse and neurons",
}

WEIGHTS = {
    "weights": "weights stored, shared ones once",
    "weight_bits": "bits of a weight: those of the network if it is on a grid, else the chip's",
    "distinct": "most distinct non-zero weights of a neuron",
    "axon_copies": "axons per input if every axon has one type",
    "rows": "rows per input: 2 where its signs are mixed",
    "shared": "1 for a convolution",
    "delay": "longest delay in steps",
}

NETWORK = {
    "layers": "populations of neurons",
    "neurons": "neurons in all",
    "synapses": "connections in all, shared weights counted apart",
    "hidden_neurons": "neurons that do not feed the output",
    "output_neurons": "neurons that feed the output",
    "output_sources": "neurons that feed the output neurons",
    "input_size": "inputs in all",
    "input_channels": "first axis of the input",
    "input_height": "second axis of the input of three, else 1",
    "input_width": "last axis of the input, if it has several, else 1",
    "recurrent_fan_out": "synapses from hidden neurons to hidden neurons, per hidden neuron",
    "recurrent": "1 if there is a loop",
    "recurrent_output": "1 if a loop goes through neurons that feed the output",
    "steps": "time steps of a sample",
    "dt": "seconds per step",
}

LAYER = {
    "neurons": "neurons of the layer",
    "synapses": "connections into the layer",
    "sources": "groups of synapses that feed it",
    "targets": "groups of synapses that it feeds",
    "fan_in": "most synapses of a neuron",
    "fan_out": "most synapses that leave a neuron",
    "delay": "longest delay into the layer",
    "leaky": "1 if the membrane decays",
    "filtered": "1 if there is a synaptic current",
    "memory": "1 if a state outlives the step",
    "biased": "1 if a bias is not zero",
    "refractory": "steps of rest after a spike",
    "max_spikes": "most spikes of a step",
    "bounded": "1 if the membrane has a lower bound",
    "recurrent": "1 if the layer feeds itself",
}

SYNAPSE = {
    **SYNAPSE_GEOMETRY,
    **WEIGHTS,
    "fan_in": "most synapses of a neuron in this group",
    "fan_out": "most synapses that leave a neuron in this group",
    "synapses": "connections of the group",
}

BLOCK = {
    **SYNAPSE_GEOMETRY,
    **WEIGHTS,
    "neurons": "neurons of the block",
    "blocks": "1: blocks on a core are counted with it",
    "in_axons": "sources that reach the block",
    "in_positions": "positions (all channels at once) that reach the block",
    "out_axons": "axons that leave the block one by one",
    "out_positions": "axons that leave the block as populations of channels",
    "fan_in": "most synapses of a neuron",
    "synapses": "connections into the block",
    "block_weights": "weights the block stores, shared ones once",
    "list_synapses": "synapses in one list of an axon (over lists only)",
}

RUN = {
    "synops": "synaptic operations of a sample",
    "updates": "neuron updates of a sample: neurons times steps",
    "spikes": "spikes of a sample, inputs not counted",
    "messages": "spikes times the cores each reaches",
    "input_events": "inputs other than 0, of a sample",
    "input_peak": "largest input of a step",
    "core_synops": "synaptic operations of the busiest core in a step",
    "core_updates": "neuron updates of the busiest core in a step",
    "cores": "cores used",
    "chips": "chips used",
    "layers": "populations of neurons",
    "steps": "time steps of a sample",
    "dt": "seconds per step",
}

TEXTS = {
    "network": {"coding": "input coding: direct, bernoulli, events"},
    "layer": {
        "role": "output if it feeds the output, else hidden",
        "neuron": "LIF, IF, LI, I, TernaryLIF",
        "reset": "hard, soft, none",
        "reset_timing": "same, next",
        "compare": "> or >=",
    },
    "synapse": {
        "map": "dense, conv, one-to-one",
        "pool": "none, avg, sum, max",
        "reads": "input or layer",
    },
    "run": {},
}
"""Facts that are words; a rule compares them with a list."""

NUMBERS = {"network": NETWORK, "layer": LAYER, "synapse": SYNAPSE, "run": RUN | NETWORK}
"""Facts that are numbers, by the scope of a rule."""
