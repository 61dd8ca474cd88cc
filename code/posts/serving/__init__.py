"""The post serving: an inference engine with continuous batching behind an OpenAI-compatible API, and how it is run.

Read in this order: model.py (the forward pass over a paged cache), linear.py (int8 products), pages.py (who owns which
page, prefixes shared), sampling.py and text.py (from scores to tokens to text), engine.py (what runs in each step),
lora.py (adapters); then service/ (HTTP, admission, keys, draining) and drills.py (each breaks it on purpose).
"""
