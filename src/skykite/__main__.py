"""`python -m skykite` is `kite`."""

from skykite.cli import main

if __name__ == "__main__":
    main()
