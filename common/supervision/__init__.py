"""Engines that are servers of their own: started and watched by us, or running elsewhere."""

from common.supervision.child import ChildServer, Command
from common.supervision.remote import RemoteServer

__all__ = ["ChildServer", "Command", "RemoteServer"]
