from roles import role

__all__ = ["role"]
