"""The command line: parse, call one function, render. Data goes to stdout, talk to stderr; a failed command never exits 0."""
