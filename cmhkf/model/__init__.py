"""The paper's model, its configuration and its checkpoints."""
