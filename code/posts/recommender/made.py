"""Made data for smoke runs, declared where a page is built: there no library of training is installed.

So data.py, which makes them, is imported when they are made.
"""

from lockstep.datasets import Arrays, Made


def _sessions() -> Arrays:
    from posts.recommender.data import markov_sessions

    return markov_sessions.make()


def _films() -> Arrays:
    from posts.recommender.data import made_movies

    return made_movies.make()


made_sessions, made_films = Made("markov_sessions", _sessions), Made("made_movies", _films)
