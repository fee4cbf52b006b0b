"""`python -m service` is the command `callboard`."""

from service.cli.main import main

if __name__ == "__main__":
    main()
