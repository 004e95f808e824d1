"""Inside the graph: loops, parameters as arguments, stateless random numbers."""
