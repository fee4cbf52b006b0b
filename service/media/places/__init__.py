"""Where files are kept: this machine's disk, object stores, addresses that take a PUT."""
