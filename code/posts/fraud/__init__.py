"""The post fraud: a real-time fraud detection service, designed, run, loaded and broken.

Reading order: data.py (the published world and our own), features.py (what is counted), windows.py and batch.py (the
same counts row by row and by columns), parity.py (that they are the same), protocol.py (who is tested, and how),
reproduce.py (the book's models), limit.py (the best that is possible), model.py and weeks.py (what we reach),
service/ (what runs), load.py and drills.py (what it takes and survives), trees.py and demo.py (what the page has),
studies/, figures/ and diagram.py (the rest), estimate.py (the back of the envelope), claims.py, tables.py and
experiment.py (what is declared).
"""
