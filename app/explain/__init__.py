"""Why the model thinks so: reasons, classes of one's own, truth and the map of snippets."""
