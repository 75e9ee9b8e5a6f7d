"""``python -m fastlive``."""

from fastlive.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
