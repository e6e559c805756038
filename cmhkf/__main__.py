"""`python -m cmhkf`."""

from cmhkf.cli import main

if __name__ == "__main__":
    main()
