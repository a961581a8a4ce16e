"""The demonstration: a live system that goes through all five phases, and the PostgreSQL that it runs on."""
