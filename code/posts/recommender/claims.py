"""The statements of the page that the ledger has to bear: the verdict of each, and the two sides that it compares."""

from lockstep.experiment import claim

from posts.recommender.tables import SIZES


def counting(measured, dataset, metric="ndcg"):
    return measured(metric, stage="searched", dataset=dataset, model="counting")


@claim("greater")
def counting_beats_published_sasrec_beauty(measured, reported):
    """On Beauty, the counting model's NDCG@10 is above that published for SASRec."""
    return counting(measured, "beauty"), reported("ndcg", model="sasrec", dataset="beauty")


@claim("greater")
def counting_beats_published_sasrec_toys(measured, reported):
    """On Toys, the counting model's NDCG@10 is above that published for SASRec."""
    return counting(measured, "toys"), reported("ndcg", model="sasrec", dataset="toys")


@claim("greater")
def counting_beats_published_sasrec_sports(measured, reported):
    """On Sports, the counting model's NDCG@10 is above that published for SASRec."""
    return counting(measured, "sports"), reported("ndcg", model="sasrec", dataset="sports")


@claim("greater")
def counting_beats_tiger(measured, reported):
    """On Beauty, the counting model's NDCG@10 is above that published for TIGER."""
    return counting(measured, "beauty"), reported("ndcg", model="tiger", dataset="beauty")


@claim("undecided", margin="ndcg")
def counting_and_our_sasrec(measured):
    """Whether the counting model or our SASRec has the higher NDCG@10 on Beauty, these runs do not tell."""
    return counting(measured, "beauty"), measured("ndcg", stage="sasrec", dataset="beauty")


@claim("greater")
def our_sasrec_beats_tiger(measured, reported):
    """On Beauty, our SASRec's NDCG@10 is above that published for TIGER."""
    return measured("ndcg", stage="sasrec", dataset="beauty"), reported("ndcg", model="tiger", dataset="beauty")


@claim("greater")
def the_loss_matters(measured):
    """At the same settings, SASRec has a higher NDCG@10 with a softmax over many items than with the paper's loss."""
    at = {"dataset": "beauty"}
    return measured("ndcg", stage="sasrec", **at), measured("ndcg", stage="binary", **at)


@claim("greater")
def our_sasrec_beats_the_published(measured, reported):
    """On Beauty, our SASRec's NDCG@10 is above the published one."""
    return measured("ndcg", stage="sasrec", dataset="beauty"), reported("ndcg", model="sasrec", dataset="beauty")


@claim("greater")
def counting_beats_neighbours(measured):
    """On Beauty, transitions and recency bring the counting model above item neighbours alone."""
    return counting(measured, "beauty"), measured("ndcg", stage="searched", dataset="beauty", model="item-knn")


@claim("greater")
def ease_leads_on_films(measured):
    """On MovieLens 100k, with events held out at random, EASE has a higher NDCG@10 than item neighbours."""
    return measured("ndcg", stage="films", model="ease"), measured("ndcg", stage="films", model="item-knn")


@claim("greater")
def full_ranking_prefers_counting(measured):
    """Under full ranking, the counting model is above the factors."""
    at = {"stage": "sampled", "protocol": "full"}
    return measured("ndcg", model="counting", **at), measured("ndcg", model="ials", **at)


@claim("less")
def sampling_prefers_factors(measured):
    """Among a hundred uniformly sampled negatives, the order of the same two models is the reverse."""
    at = {"stage": "sampled", "protocol": "uniform"}
    return measured("ndcg", model="counting", **at), measured("ndcg", model="ials", **at)


@claim("equivalent", margin="covered")
def ample_overlap_covers(measured):
    """With ample overlap, the doubly robust interval covers the truth within three points of the nominal rate."""
    return measured("covered", overlap="ample", estimator="dr"), 95.0


@claim("less")
def broken_overlap_does_not_cover(measured):
    """Without overlap, the interval of inverse propensities covers the truth far less often than it says."""
    return measured("covered", overlap="broken", estimator="ips"), 90.0


@claim("less")
def the_dashboard_does_not_cover(measured):
    """Even with ample overlap, the naive average's interval covers less often than it says."""
    return measured("covered", overlap="ample", estimator="naive"), 90.0


@claim("less")
def dr_has_less_error_than_ips(measured):
    """With good overlap, the doubly robust estimate has a smaller error than inverse propensities."""
    return measured("rmse", overlap="good", estimator="dr"), measured("rmse", overlap="good", estimator="ips")


@claim("less")
def exploration_spreads_exposure(measured):
    """Exploring in one place of twenty lowers the Gini coefficient of exposure."""
    return measured("exposure_gini", stage="feedback", explore=0.05), measured(
        "exposure_gini", stage="feedback", explore=0.0
    )


@claim("less")
def interleaving_needs_fewer(measured):
    """Interleaving needs fewer sessions than the A/B test to see the same improvement."""
    return measured("sessions_needed", test="interleaving"), measured("sessions_needed", test="a/b")


@claim("less")
def inverted_file_wins_large(measured):
    """At a million vectors, the inverted file answers faster than exact search."""
    at = {"stage": "indexes", "items": SIZES[-1]}
    return measured("microseconds", index="ivf", **at), measured("microseconds", index="exact", **at)


@claim("greater")
def the_graph_loses_small(measured):
    """At a thousand vectors, the graph answers more slowly than exact search."""
    at = {"stage": "indexes", "items": SIZES[0]}
    return measured("microseconds", index="hnsw", **at), measured("microseconds", index="exact", **at)


@claim("less")
def unequal_lengths_cost_recall(measured):
    """A graph on inner products finds fewer of the true nearest when lengths are unequal."""
    at = {"graph": "inner product"}
    return measured("index_recall", spread="1.0", **at), measured("index_recall", spread="0.0", **at)


@claim("less")
def the_remedy_is_worse(measured):
    """At unequal lengths, the graph on lengthened vectors finds fewer of the true nearest than the graph on inner
    products."""
    at = {"spread": "1.0"}
    return measured("index_recall", graph="lengthened", **at), measured("index_recall", graph="inner product", **at)
