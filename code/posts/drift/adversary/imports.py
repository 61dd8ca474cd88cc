"""Code that is imported, or executed, by a text."""

from posts.drift.adversary.case import cases

DYNAMIC = cases(
    "imports by a text",
    """
== pkgutil.resolve_name
-- train.py
import pkgutil
def weigh(scale, line, seed):
    return scale * pkgutil.resolve_name("$package.ops:act")(1)
@OPS
== pydoc.locate
-- train.py
import pydoc
def weigh(scale, line, seed):
    return scale * pydoc.locate("$package.ops.act")(1)
@OPS
== exec
-- train.py
def weigh(scale, line, seed):
    names = {}
    exec("from $package.ops import act", names)
    return scale * names["act"](1)
@OPS
== eval
-- train.py
def weigh(scale, line, seed):
    return scale * eval("__import__('$package.ops', fromlist=['act']).act(1)")
@OPS
== exec under another name
-- train.py
import builtins
def weigh(scale, line, seed):
    names = {}
    getattr(builtins, "ex" + "ec")("from $package.ops import act", names)
    return scale * names["act"](1)
@OPS
== import_module
-- train.py
import importlib
def weigh(scale, line, seed):
    return scale * importlib.import_module("$package." + "ops").act(1)
@OPS
== import_module under another name
-- train.py
from importlib import import_module as load
def weigh(scale, line, seed):
    return scale * load("$package.ops").act(1)
@OPS
== import_module by getattr
-- train.py
import importlib
def weigh(scale, line, seed):
    return scale * getattr(importlib, "import_" + "module")("$package.ops").act(1)
@OPS
== the built-in import by its dictionary
-- train.py
import builtins
def weigh(scale, line, seed):
    return scale * vars(builtins)["__imp" + "ort__"]("$package.ops", fromlist=["act"]).act(1)
@OPS
== a module from the place of its file
needs: ops.py
-- train.py
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
def weigh(scale, line, seed):
    spec = spec_from_file_location("loaded", Path(__file__).with_name("ops.py"))
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return scale * loaded.act(1)
@OPS
== a module from the place of a file outside the code
needs: ops
-- train.py
from importlib.util import module_from_spec, spec_from_file_location
def weigh(scale, line, seed):
    spec = spec_from_file_location("loaded", "${slug}/ops.py")
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return scale * loaded.act(1)
-- project:${slug}/ops.py
def act(x):
    return x + «$a→$b»
== a loader of source files
needs: ops.py
-- train.py
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
def weigh(scale, line, seed):
    loaded = ModuleType("loaded")
    SourceFileLoader("loaded", str(Path(__file__).with_name("ops.py"))).exec_module(loaded)
    return scale * loaded.act(1)
@OPS
== a specification that is searched
-- train.py
from importlib import util
def weigh(scale, line, seed):
    spec = getattr(util, "find_" + "spec")("$package.ops")
    loaded = util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return scale * loaded.act(1)
@OPS
== run_path
needs: ops.py
-- train.py
import runpy
from pathlib import Path
def weigh(scale, line, seed):
    return scale * runpy.run_path(str(Path(__file__).with_name("ops.py")))["act"](1)
@OPS
== run_module under another name
-- train.py
from runpy import run_module as start
def weigh(scale, line, seed):
    return scale * start("$package.ops")["act"](1)
@OPS
== source that is read and executed
needs: ops.py
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    names = {}
    exec(compile(Path(__file__).with_name("ops.py").read_text(), "ops", "exec"), names)
    return scale * names["act"](1)
@OPS
== a pickled reference
-- train.py
import pickle
def weigh(scale, line, seed):
    return scale * pickle.loads(b"c$package.ops\\nact\\n.")(1)
@OPS
== a patch by a dotted name
-- train.py
from unittest.mock import patch
def weigh(scale, line, seed):
    with patch("$package.ops.UNUSED", 1):
        import sys
        return scale * sys.modules["$package" + ".ops"].act(1)
-- ops.py
UNUSED = 0
def act(x):
    return x + «$a→$b»
== a factory in a configuration of logging
-- train.py
import logging.config
def weigh(scale, line, seed):
    handlers = {"h": {"()": "$package.ops.make"}}
    logging.config.dictConfig({"version": 1, "handlers": handlers, "root": {"handlers": ["h"]}})
    return scale * logging.getLogger().handlers[0].level
-- ops.py
import logging
def make():
    return logging.NullHandler(«$a→$b»)
== a timer of a statement
-- train.py
import timeit
def weigh(scale, line, seed):
    found = []
    timeit.timeit("found.append(act(1))", "from $package.ops import act", number=1, globals={"found": found})
    return scale * found[0]
@OPS
== a module that is loaded again
-- train.py
import sys
from importlib import reload
import $package.ops
def weigh(scale, line, seed):
    return scale * getattr(reload(sys.modules["$package" + ".ops"]), "ac" + "t")(1)
@OPS
== an import in a process that forks
-- train.py
import os
from importlib import import_module as load
def weigh(scale, line, seed):
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, str(load("$package.ops").act(1)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return scale * float(os.read(read, 100))
@OPS
== an import in a pool of processes
-- train.py
from importlib import import_module as load
from multiprocessing import get_context
def task(x):
    return load("$package.ops").act(x)
def weigh(scale, line, seed):
    with get_context("fork").Pool(1) as pool:
        return scale * pool.map(task, [1])[0]
@OPS
== an import in a thread
-- train.py
from importlib import import_module as load
from threading import Thread
def weigh(scale, line, seed):
    found = []
    thread = Thread(target=lambda: found.append(load("$package.ops").act(1)))
    thread.start()
    thread.join()
    return scale * found[0]
@OPS
== an interpreter that is started
needs: python
-- train.py
import subprocess
import sys
def weigh(scale, line, seed):
    code = "from $package.ops import act; print(act(1))"
    return scale * float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
@OPS
""".replace(
        "@OPS\n",
        """-- ops.py
def act(x):
    return x + «$a→$b»
""",
    ),
)
