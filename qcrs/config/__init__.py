"""Configuration: the project's file and a participant's folder."""

from qcrs.config.home import Home, NetworkFile
from qcrs.config.project import (
    CompilerConfig,
    Config,
    NetworkConfig,
    ProjectStructure,
    find_config,
    load_config,
)

__all__ = [
    "CompilerConfig",
    "Config",
    "Home",
    "NetworkConfig",
    "NetworkFile",
    "ProjectStructure",
    "find_config",
    "load_config",
]
