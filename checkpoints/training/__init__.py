"""How the demo checkpoint is trained and measured; `checkpoints/train_demo.py` runs it."""
