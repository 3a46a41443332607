"""White Patch: what attention modules really do in a small CNN."""
