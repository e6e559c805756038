"""The commands of `python -m cmhkf`, one file each; `cmhkf.cli` registers them."""
