"""Where an interpreter, the system and installed packages keep what is theirs: no input of a run."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

PACKAGES = ("site-packages" + os.sep, "dist-packages" + os.sep)


def environment() -> tuple[str, ...]:
    """The interpreter, its packages, and the system."""
    folders = [
        sys.prefix,
        sys.base_prefix,
        *site.getsitepackages(),
        site.getusersitepackages(),
        *sysconfig.get_paths().values(),
        *(folder for folder in sys.path if folder.rstrip(os.sep).endswith(tuple(p[:-1] for p in PACKAGES))),
    ]
    folders += ["/usr", "/lib", "/etc", "/proc", "/sys", "/dev", "/opt", "/System", "/Library", "/bin", "/run"]
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)


def caches() -> tuple[str, ...]:
    """Where installed packages keep what is theirs; a stage has no business there."""
    home = Path.home()
    folders = [home / ".cache", home / ".config", home / ".matplotlib", Path("/tmp"), Path("/var")]
    return tuple(os.path.realpath(folder) + os.sep for folder in folders)
