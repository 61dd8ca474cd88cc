"""First-party code that lies elsewhere than in the post, and code that is imported by a text."""

from posts.drift.adversary.case import cases

PLACES = cases(
    "code in other places",
    """
== a module beside the folder of posts
-- train.py
from ${slug}shared import act
def weigh(scale, line, seed):
    return scale * act(1)
-- root:${slug}shared.py
def act(x):
    return x + «$a→$b»
== a package beside the folder of posts
-- train.py
from ${slug}shared.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- root:${slug}shared/__init__.py
-- root:${slug}shared/ops.py
def act(x):
    return x + «$a→$b»
== a folder without __init__ beside the folder of posts
-- train.py
from ${slug}spaced.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- root:${slug}spaced/ops.py
def act(x):
    return x + «$a→$b»
== a constant two modules beside the folder of posts
-- train.py
from ${slug}near import act
def weigh(scale, line, seed):
    return scale * act(1)
-- root:${slug}near.py
from ${slug}far import FACTOR
def act(x):
    return x * FACTOR
-- root:${slug}far.py
FACTOR = «$a→$b»
== a folder that is put on the path
-- train.py
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent / "lib"))
from ${slug}lib import act
def weigh(scale, line, seed):
    return scale * act(1)
-- lib/${slug}lib.py
def act(x):
    return x + «$a→$b»
== a folder of the project that is put on the path
-- train.py
import os
import sys
sys.path.append(os.path.abspath("tools"))
from ${slug}tool import act
def weigh(scale, line, seed):
    return scale * act(1)
-- project:tools/${slug}tool.py
def act(x):
    return x + «$a→$b»
== a module of the current folder
-- train.py
from ${slug}here import act
def weigh(scale, line, seed):
    return scale * act(1)
-- project:${slug}here.py
def act(x):
    return x + «$a→$b»
== another post by its name
-- train.py
from $other.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- beside:${slug}other/__init__.py
-- beside:${slug}other/ops.py
def act(x):
    return x + «$a→$b»
== another post by import_module
-- train.py
from importlib import import_module
def weigh(scale, line, seed):
    return scale * import_module("$other.ops").act(1)
-- beside:${slug}other/__init__.py
-- beside:${slug}other/ops.py
def act(x):
    return x + «$a→$b»
== a module directly among the posts
-- train.py
from ${package}common import act
def weigh(scale, line, seed):
    return scale * act(1)
-- beside:${slug}common.py
def act(x):
    return x + «$a→$b»
== a package that is a link
-- train.py
from $package.linked.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- linked -> project:vendored/$slug
-- project:vendored/$slug/__init__.py
-- project:vendored/$slug/ops.py
def act(x):
    return x + «$a→$b»
== a module that is a link
-- train.py
from $package.linked import act
def weigh(scale, line, seed):
    return scale * act(1)
-- linked.py -> project:vendored/$slug.py
-- project:vendored/$slug.py
def act(x):
    return x + «$a→$b»
== a package whose path is longer
-- train.py
from $package.layers.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- layers/__init__.py
from pathlib import Path
__path__.append(str(Path(__file__).parent.parent / "more"))
-- more/ops.py
def act(x):
    return x + «$a→$b»
== a package that takes the place of a module
-- train.py
from $package.ops import act
def weigh(scale, line, seed):
    return scale * act(1)
-- ops.py
def act(x):
    return x + $a
-- ops/__init__.py (added)
def act(x):
    return x + $b
== a module that takes the place of a standard one
-- train.py
import wave
def weigh(scale, line, seed):
    return scale * wave.WAVE_FORMAT_PCM + $a
-- root:wave.py (added)
WAVE_FORMAT_PCM = $b
""",
)

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
needs: ops.py
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
