"""The demo's and the tests' own PBX, database, callers and phones, set up without asking."""
