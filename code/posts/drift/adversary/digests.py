"""The data of a run: what makes it, and what its digest must tell apart."""

from posts.drift.adversary.case import cases

MAKERS = cases(
    "what a dataset is made from",
    """
== a file of the project
-- @make
def make():
    return {"x": np.loadtxt("$slug-line.csv", ndmin=1)}
@USE
-- project:$slug-line.csv
«$a→$b»
== a file of another folder of the content
-- @make
def make():
    return {"x": np.loadtxt("content/$slug-data/line.csv", ndmin=1)}
@USE
-- project:content/$slug-data/line.csv
«$a→$b»
== a file outside the project
-- @head
from pathlib import Path
-- @make
def make():
    return {"x": np.loadtxt(Path.home() / "$slug-line.csv", ndmin=1)}
@USE
-- home:$slug-line.csv
«$a→$b»
== a variable of the environment
-- @head
import os
-- @make
def make():
    return {"x": np.array([float(os.environ["DRIFT_LINE_$slug"])])}
@USE
-- env:DRIFT_LINE_$slug
«$a→$b»
== the files of a folder
-- @head
from pathlib import Path
-- @make
def make():
    return {"x": np.array([float(path.read_text()) for path in sorted(Path("$slug-parts").glob("*"))])}
@USE
-- project:$slug-parts/1.csv
$a
-- project:$slug-parts/2.csv (added)
$b
== a database
-- @head
import sqlite3
-- @make
def make():
    with sqlite3.connect("$slug-line.db") as base:
        return {"x": np.array(base.execute("select x from line").fetchone())}
@USE
-- project:$slug-line.db (sqlite)
create table line (x integer);
insert into line values («$a→$b»);
== a program
-- @head
import subprocess
-- @make
def make():
    return {"x": np.array([float(subprocess.check_output(["cat", "$slug-line.csv"]))])}
@USE
-- project:$slug-line.csv
«$a→$b»
== a module beside the folder of posts
-- @head
from ${slug}shared import LINE
-- @make
def make():
    return {"x": np.array(LINE)}
@USE
-- root:${slug}shared.py
LINE = [«$a→$b»]
== a module of another post
-- @head
from $other.lines import LINE
-- @make
def make():
    return {"x": np.array(LINE)}
@USE
-- beside:${slug}other/__init__.py
-- beside:${slug}other/lines.py
LINE = [«$a→$b»]
== a module of the post
-- @head
from $package.lines import LINE
-- @make
def make():
    return {"x": np.array(LINE)}
@USE
-- lines.py
LINE = [«$a→$b»]
""".replace(
        "@USE\n",
        """-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].sum())}
""",
    ),
)

DIGESTS = cases(
    "what a digest tells apart",
    """
== the order of names
-- @make
def make():
    return «{"x": np.array([$a]), "y": np.array([$b])}→{"y": np.array([$b]), "x": np.array([$a])}»
-- train.py
def fit(run):
    return {"value": float([*run.data("line").values()][0][0])}
== the order of names in a loop
-- @make
def make():
    return {name: np.array([$a]) for name in «("x", "y")→("y", "x")»}
-- train.py
def fit(run):
    return {"value": float(ord([*run.data("line")][0]))}
== the order in memory
-- @make
def make():
    return {"x": np.array([[$a, $b], [$c, $d]], order=«"C"→"F"»)}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].ravel(order="K")[1])}
== the order of bytes
-- @make
def make():
    return {"x": np.array([$a], dtype=«"<i4"→">i4"»)}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].tobytes()[0])}
== the strides of a view
-- @make
def make():
    return {"x": «np.ones(2)→np.broadcast_to(np.ones(1), 2)»}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].strides[0] + $a)}
== the names of fields
-- @make
def make():
    return {"x": np.array([($a, $b)], dtype=[«("p", "<f8"), ("q", "<f8")→("q", "<f8"), ("p", "<f8")»])}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"]["p"][0])}
== the types of fields
-- @make
def make():
    return {"x": np.zeros(1, dtype=[("p", «"<f8"→"<i8"»)])}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].dtype["p"].num + $a)}
== a mask
needs: masked
-- @make
def make():
    return {"x": np.ma.masked_array([$a, $b], mask=[«0, 1→1, 0»])}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].sum())}
== a masked array or an array
needs: masked
-- @make
def make():
    return {"x": «np.array→np.ma.array»([[$a, $b], [$c, $d]])}
-- train.py
def fit(run):
    return {"value": float(type(run.data("line")["x"]).__name__ == "ndarray")}
== no dimension or one
-- @make
def make():
    return {"x": np.array(«$a→[$a]»)}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].ndim + $a)}
== an array or a list
-- @make
def make():
    return {"x": «np.array([$a, $b])→[$a, $b]»}
-- train.py
def fit(run):
    return {"value": float(len(run.data("line")["x"] * 2))}
== a number or an array
-- @make
def make():
    return {"x": «np.array($a)→$a»}
-- train.py
def fit(run):
    return {"value": float(isinstance(run.data("line")["x"], int))}
== the sign of nothing
-- @make
def make():
    return {"x": np.array([«0.0→-0.0»])}
-- train.py
import math
def fit(run):
    return {"value": math.copysign($a, run.data("line")["x"][0])}
== whether it can be written
-- @make
def make():
    x = np.array([$a])
    x.flags.writeable = «True→False»
    return {"x": x}
-- train.py
def fit(run):
    return {"value": float(run.data("line")["x"].flags.writeable)}
""",
)
