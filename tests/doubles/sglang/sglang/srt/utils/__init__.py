from .common import kill_process_tree

__all__ = ["kill_process_tree"]
