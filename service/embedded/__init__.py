"""The embedded Postgres: one machine's database without a server to install.

`manager` starts, shares, tends and stops it; `server` makes a cluster and runs its processes; `programs` finds the
binaries and the user to run them as. It keeps data; production on many machines sets CALLBOARD_DATABASE_URL.
"""
