"""Many runs: what is varied, the runs side by side on Ray, and the table of what they reached."""
