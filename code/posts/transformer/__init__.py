"""The Transformer (Vaswani et al., 2017), from scratch, on English to German image captions.

Reading order: model.py (the parts and the whole), data.py and captions.py (sentences, subwords, batches), train.py (the
loop), decode.py (greedy and beam search), evaluate.py (translations and their scores), recurrent.py (the baseline),
experiment.py (what is declared and claimed), tables.py (how the page shows it).
"""
