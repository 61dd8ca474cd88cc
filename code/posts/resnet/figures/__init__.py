"""The figures of the page: a module a subject. Residual networks are blue and plain ones orange throughout.

glance.py (the post at a glance, and its card), curves.py (the degradation in small), training.py (ResNet-20 by the
paper's protocol), inside.py (gradients, responses, lesions), scale.py (shortcuts between none and whole); common.py has
what they share.
"""
