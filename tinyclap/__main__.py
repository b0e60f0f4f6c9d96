"""`python -m tinyclap` and `accelerate launch -m tinyclap` are the `tinyclap` command."""

from tinyclap.cli.app import main

if __name__ == "__main__":
    main()
