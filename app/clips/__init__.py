"""The clips of the library: what is stored, analysed, prepared for playback and shown of each."""
