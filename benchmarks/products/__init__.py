"""Matrix products alone, in each framework: the hardware's limit and the floor of a step."""
