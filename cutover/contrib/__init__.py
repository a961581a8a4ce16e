"""Readers' pieces for packages that a project may or may not have. Each module needs its package; nothing else imports them."""
