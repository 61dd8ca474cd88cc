"""The service: events, bundle, pipeline, application; a list for a person, logged so that it can be made again.

Read in this order: bundle.py (what is served, by digest), events.py (the log and the state that follows from it),
pipeline.py (retrieval, ranker, rerank, exploration), build.py (how a bundle is trained), app.py (HTTP), serve.py (the
process), load.py (its latency).
"""
