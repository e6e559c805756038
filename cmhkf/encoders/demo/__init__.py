"""The demo encoders, whose weights come with the project and its requirements."""
