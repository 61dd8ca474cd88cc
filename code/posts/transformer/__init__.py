"""The Transformer (Vaswani et al., 2017), from scratch, on English to German image captions.

Reading order: model.py (the parts and the whole), data.py (sentences, subwords, batches), train.py (the loop),
experiment.py (what is declared and claimed).
"""
