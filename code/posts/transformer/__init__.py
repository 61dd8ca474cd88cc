"""The Transformer (Vaswani et al., 2017), from scratch, on English to German image captions.

Reading order: model.py (the parts and the whole), data.py and captions.py (sentences, subwords, batches), train.py (the
loop), decode.py (greedy and beam search), evaluate.py (translations and their scores), recurrent.py (the baseline),
experiment.py (what is declared and claimed), ablation.py (what the rows change), tables.py (how the page shows it).

Then, as needed: errors.py (what goes wrong), paths.py (gradients between positions), cost.py (operations counted);
speed.py with speed_training.py, speed_decoding.py and peers.py (other libraries on the same weights); figures.py and
figures_rows.py; export.py and demo.py with the folder demo (the model in the page).
"""
