"""What the paper does not tell, or tells without numbers: a module a question, on the networks that train.py left.

gradients.py (does the signal vanish on its way back?), responses.py (how much does each layer change?), lesions.py
(what if a block is missing, or its shortcut?), selection.py (what does choosing an epoch by test images gain?),
speed.py (our update beside torchvision's blocks, and where the time goes).
"""
