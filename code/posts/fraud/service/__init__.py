"""The service: decisions about card payments over HTTP, from one process that keeps its state in memory and on disk.

Reading order: journal.py (what is durable), stores.py (other places to keep it), scorer.py (the model, one row at a
time), decide.py (what to do with a score), registry.py (models by digest), rollout.py (shadow, canary, all, and back),
engine.py (one transaction through all of these), drift.py and alerts.py (what watches it), metrics.py (what it tells),
app.py (HTTP), train.py (the same windows replayed, and a new model), compact.py (snapshots), __main__.py (how to start
it).
"""
