"""First-party code that lies elsewhere than in the post."""

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
needs: minitool
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
needs: minihere
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
