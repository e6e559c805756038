"""Video and audio files: reading, cutting and writing them on one clock."""
