"""Generative Adversarial Nets (Goodfellow et al., 2014), from scratch, on MNIST.

Reading order: model.py (the two players), data.py (what they see), train.py (the game), parzen.py (the
paper's metric), evaluate.py (the table), figures.py (the pictures), experiment.py (what is declared and claimed).
"""
