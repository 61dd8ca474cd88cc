"""Deep residual learning on CIFAR-10 (He, Zhang, Ren and Sun, 2016), from scratch.

Reading order: experiment.py (what is declared), data.py (what a network sees), model.py (residual and plain networks),
train.py (one update, and legs of many), evaluate.py (errors of finished networks), studies/ (what the paper does not
tell), claims.py and tables.py (what the page rests on), figures/ and demo/ (what it shows).
"""
