"""The post drift: which edits make which tool run again, and what it costs each to see that nothing has changed.

Reading order: sample.py (a small experiment, three times over), edits.py (what is changed in it), tools.py (how a tool
is driven), layout.py, own.py, others.py and arrangements.py (the experiment as a project of each tool), matrix.py
(every edit under every tool, judged against a run without any), many.py and times.py (the price of a check), engine.py
(this blog's own engine, as data), figures.py and diagram.py (pictures), experiment.py (what is declared and claimed).
"""
