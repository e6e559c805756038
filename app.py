"""Start CMHKF Review: `python app.py --help` lists the settings."""

from app.main import main

if __name__ == "__main__":
    main()
