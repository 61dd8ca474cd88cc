"""What an adversary tried on the engine: small projects, each with an edit in place.

`case.py` reads them, `collected.py` lists them; `own.py`, `neutral.py` and `others.py` lay them out for lockstep, for
no tool, and for the others. All further files are cases.
"""
