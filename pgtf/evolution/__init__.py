"""Evolution: search distributions over parameters and how fitness moves them."""
