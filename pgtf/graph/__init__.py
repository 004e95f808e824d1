"""Graph building blocks: loops, parameters as arguments, stateless random numbers."""
