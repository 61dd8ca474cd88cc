"""What a run or a dataset reads beside what it declares: files, folders, programs, the environment."""

from posts.drift.adversary.case import cases

CSV = """-- project:$slug-line.csv
«$a→$b»
"""

READS = cases(
    "reads by other roads",
    """
== a file by open
needs: line.csv
-- train.py
def weigh(scale, line, seed):
    return scale * float(open("$slug-line.csv").read())
@CSV
== a file by os.open
needs: line.csv
-- train.py
import os
def weigh(scale, line, seed):
    return scale * float(os.read(os.open("$slug-line.csv", os.O_RDONLY), 100))
@CSV
== a program that prints a file
needs: cat
-- train.py
import subprocess
def weigh(scale, line, seed):
    return scale * float(subprocess.check_output(["cat", "$slug-line.csv"]))
@CSV
== a shell that copies a file
needs: cp
-- train.py
import os
import tempfile
from pathlib import Path
def weigh(scale, line, seed):
    copy = Path(tempfile.mkdtemp(), "copy.csv")
    os.system(f"cp $slug-line.csv {copy}")
    return scale * float(copy.read_text())
@CSV
== a pipe of the shell
needs: cat
-- train.py
import os
def weigh(scale, line, seed):
    with os.popen("cat $slug-line.csv") as pipe:
        return scale * float(pipe.read())
@CSV
== a program started by posix_spawn
needs: sh
-- train.py
import os
import tempfile
from pathlib import Path
def weigh(scale, line, seed):
    copy = Path(tempfile.mkdtemp(), "copy.csv")
    child = os.posix_spawn("/bin/sh", ["sh", "-c", f"cat $slug-line.csv > {copy}"], {"PATH": "/bin:/usr/bin"})
    os.waitpid(child, 0)
    return scale * float(copy.read_text())
@CSV
== a program of the project
needs: count.sh
-- train.py
import subprocess
def weigh(scale, line, seed):
    return scale * float(subprocess.check_output(["sh", "$slug-count.sh"]))
-- project:$slug-count.sh
echo «$a→$b»
== a line by linecache
needs: line.csv
-- train.py
import linecache
def weigh(scale, line, seed):
    return scale * float(linecache.getline("$slug-line.csv", 1))
@CSV
== a file by tokenize
needs: line.csv
-- train.py
import tokenize
def weigh(scale, line, seed):
    with tokenize.open("$slug-line.csv") as file:
        return scale * float(file.read())
@CSV
== a database
needs: line.db
-- train.py
import sqlite3
def weigh(scale, line, seed):
    with sqlite3.connect("$slug-line.db") as base:
        return scale * base.execute("select x from line").fetchone()[0]
-- project:$slug-line.db (sqlite)
create table line (x integer);
insert into line values («$a→$b»);
== an array mapped from a file
needs: line.csv
-- train.py
import numpy as np
def weigh(scale, line, seed):
    return scale * float(np.memmap("$slug-line.csv", mode="r")[1])
@CSV
== an array read from a file
needs: line.csv
-- train.py
import numpy as np
def weigh(scale, line, seed):
    return scale * float(np.fromfile("$slug-line.csv", np.uint8)[1])
@CSV
== a library of C that reads a file
needs: ctypes
-- train.py
import ctypes
def weigh(scale, line, seed):
    libc, buffer = ctypes.CDLL(None), ctypes.create_string_buffer(9)
    libc.read(libc.open(b"$slug-line.csv", 0), buffer, 8)
    return scale * float(buffer.value)
@CSV
== the names in a folder
needs: parts
-- train.py
import os
def weigh(scale, line, seed):
    return scale * len(os.listdir("$slug-parts")) + $a
-- project:$slug-parts/one.csv
1
-- project:$slug-parts/two.csv (added)
2
== the names in a folder, by glob
needs: parts
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * len([*Path("$slug-parts").glob("*.csv")]) + $a
-- project:$slug-parts/one.csv
1
-- project:$slug-parts/two.csv (added)
2
== the names in a folder, by scandir
needs: parts
-- train.py
import os
def weigh(scale, line, seed):
    with os.scandir("$slug-parts") as entries:
        return scale * len([*entries]) + $a
-- project:$slug-parts/one.csv
1
-- project:$slug-parts/two.csv (added)
2
== the size of a file
needs: line.csv
-- train.py
import os
def weigh(scale, line, seed):
    return scale * os.stat("$slug-line.csv").st_size
-- project:$slug-line.csv
$a«→$b»
== whether a file exists
needs: line.csv
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * ($a if Path("$slug-line.csv").exists() else $b)
-- project:$slug-line.csv (added)
1
== whether a file can be read
needs: line.csv
-- train.py
import os
def weigh(scale, line, seed):
    return scale * ($a if os.access("$slug-line.csv", os.R_OK) else $b)
-- project:$slug-line.csv (added)
1
== where a link leads
needs: linked
-- train.py
import os
def weigh(scale, line, seed):
    return scale * (float(os.path.basename(os.readlink("$slug-linked"))) + $a)
-- project:$slug-linked -> project:«1→2»
-- project:1
-- project:2
== a file of the package, by importlib.resources
needs: line.csv
-- train.py
from importlib.resources import files
def weigh(scale, line, seed):
    return scale * float(files("$package").joinpath("line.csv").read_text())
-- line.csv
«$a→$b»
== a file of the package, by pkgutil
needs: line.csv
-- train.py
import pkgutil
def weigh(scale, line, seed):
    return scale * float(pkgutil.get_data("$package", "line.csv"))
-- line.csv
«$a→$b»
== a file in the user's home
needs: line.csv
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * float(Path.home().joinpath("$slug-line.csv").read_text())
-- home:$slug-line.csv
«$a→$b»
== a file in the user's cache
needs: line.csv
-- train.py
from pathlib import Path
def weigh(scale, line, seed):
    return scale * float(Path.home().joinpath(".cache/$slug-line.csv").read_text())
-- home:.cache/$slug-line.csv
«$a→$b»
== a file in the folder for temporary files
needs: raises FileNotFoundError
-- train.py
import tempfile
from pathlib import Path
def weigh(scale, line, seed):
    return scale * float(Path(tempfile.gettempdir(), "$slug-line.csv").read_text())
-- temp:$slug-line.csv
«$a→$b»
== an archive
needs: line.tsv
-- train.py
import shutil
import tempfile
from pathlib import Path
def weigh(scale, line, seed):
    return scale * float(Path(shutil.copy("$slug-line.tsv", tempfile.mkdtemp())).read_text())
-- project:$slug-line.tsv
«$a→$b»
== a file in a process that forks
needs: line.csv
-- train.py
import os
def weigh(scale, line, seed):
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, open("$slug-line.csv").read().encode())
        os._exit(0)
    os.waitpid(child, 0)
    return scale * float(os.read(read, 100))
@CSV
== a file that the module reads on import
needs: line.csv
-- train.py
LINE = float(open("$slug-line.csv").read())
def weigh(scale, line, seed):
    return scale * LINE
@CSV
""".replace("@CSV\n", CSV),
)

VARIABLES = cases(
    "variables of the environment",
    """
== by os.environ
needs: DRIFT_LINE
-- train.py
import os
def weigh(scale, line, seed):
    return scale * float(os.environ["DRIFT_LINE_$slug"])
-- env:DRIFT_LINE_$slug
«$a→$b»
== by os.getenv
needs: DRIFT_LINE
-- train.py
from os import getenv
def weigh(scale, line, seed):
    return scale * float(getenv("DRIFT_LINE_$slug"))
-- env:DRIFT_LINE_$slug
«$a→$b»
== by its bytes
needs: DRIFT_LINE
-- train.py
import os
def weigh(scale, line, seed):
    return scale * float(os.environb[b"DRIFT_LINE_$slug"])
-- env:DRIFT_LINE_$slug
«$a→$b»
== in a path
needs: DRIFT_LINE
-- train.py
from os.path import expandvars
def weigh(scale, line, seed):
    return scale * float(expandvars("$$DRIFT_LINE_$slug"))
-- env:DRIFT_LINE_$slug
«$a→$b»
== by a loop over all
needs: DRIFT_LINE
-- train.py
import os
def weigh(scale, line, seed):
    return scale * sum(float(value) for name, value in os.environ.items() if name.startswith("DRIFT_LINE_$slug"))
-- env:DRIFT_LINE_$slug
«$a→$b»
== whether it is set
needs: DRIFT_LINE
-- train.py
import os
def weigh(scale, line, seed):
    return scale * ($a if "DRIFT_LINE_$slug" in os.environ else $b)
-- env:DRIFT_LINE_$slug (added)
1
== by a library of C
needs: ctypes
-- train.py
import ctypes
def weigh(scale, line, seed):
    ctypes.CDLL(None).getenv.restype = ctypes.c_char_p
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    return scale * float(libc.getenv(b"DRIFT_LINE_$slug"))
-- env:DRIFT_LINE_$slug
«$a→$b»
== by a program
needs: sh
-- train.py
import subprocess
def weigh(scale, line, seed):
    return scale * float(subprocess.check_output("echo $$DRIFT_LINE_$slug", shell=True))
-- env:DRIFT_LINE_$slug
«$a→$b»
== the time zone
needs: TZ
-- train.py
import time
def weigh(scale, line, seed):
    return scale * (time.localtime(0).tm_hour + $a)
-- env:TZ
«UTC→Asia/Tokyo»
== the seed of hashes
needs: PYTHONHASHSEED
-- train.py
def weigh(scale, line, seed):
    return scale * (hash("line") % 1000 + $a)
-- env:PYTHONHASHSEED
«1→2»
""",
)
