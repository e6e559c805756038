"""A very small renderer of street scenes: what the bundled example clips are made with."""
