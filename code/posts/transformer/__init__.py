"""The Transformer (Vaswani et al., 2017), from scratch, on English to German image captions.

Reading order: model.py (the parts and the whole), data.py and captions.py (sentences, subwords, batches), train.py (the
loop), decode.py (greedy and beam search), evaluate.py (translations and their scores), experiment.py (what is declared
and claimed) with metrics.py, tables.py (how the page shows it).

Then, as needed: studies/ (one thing at a time, the recurrent rival, lengths, errors, gradients, costs), speed/ (others'
code on the same weights), figures/; export.py and demo.py with the folder demo/ (the model in the page).
"""
