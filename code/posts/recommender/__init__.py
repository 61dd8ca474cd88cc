"""A recommender as a system: retrieval, ranking, exploration, and an evaluation that can be trusted."""
