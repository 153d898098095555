"""The engine, its configuration and its data."""

from .config import EngineConfig
from .data import RequestStreamOutput, TokenData
from .engine import AsyncMLCEngine

__all__ = ["AsyncMLCEngine", "EngineConfig", "RequestStreamOutput", "TokenData"]
