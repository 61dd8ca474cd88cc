"""Ask your own database: a 135M language model, fine-tuned by LoRA from scratch, that writes SQL one can trust.

Read in this order: weights.py (the base model out of its file), model.py (Llama), lora.py, prompt.py (what the model
sees), data.py, wikisql.py, geoquery.py and tablequestions.py (questions), packing.py, train.py; small.py (the model of
the page); grammar.py, execute.py and ask.py (the product); evaluate.py and what it uses; tables.py and claims.py.
"""
