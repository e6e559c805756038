"""What runs inside the child process: the only code that lets libav look at a file. See `media/sandbox.py`."""
