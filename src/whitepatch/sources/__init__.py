"""Where images come from; one module a source, each writing the same layout."""
