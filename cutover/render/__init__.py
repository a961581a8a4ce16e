"""What is shown: rich on a terminal, plain when piped, JSON when asked. Data goes to stdout, talk to stderr."""
