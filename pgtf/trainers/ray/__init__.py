"""Training on Ray: actors collect in processes of their own, on one machine or on many."""
