"""The worlds that tests put the pure cores into: clocks, journals, wires and peers that only do as told."""
