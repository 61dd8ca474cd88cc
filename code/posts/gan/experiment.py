"""What the GAN post declares: settings from the authors' released MNIST configuration, stages, claims and tables."""

import math
from dataclasses import dataclass

from lockstep.catalogue import digits, mnist
from lockstep.experiment import Experiment, Metric

from posts.gan.tables import LIKELIHOOD, TABLES


@dataclass(frozen=True)
class Config:
    """One training run and its evaluation: the authors' release, unless paper.toml declares a deviation."""

    noise: int = 100
    hidden: int = 1200
    generator_spread: float = 0.05
    units: int = 240
    pieces: int = 5
    discriminator_spread: float = 0.005
    batch: int = 100
    learning_rate: float = 0.1
    rate_decay: float = 1.000004
    rate_floor: float = 1e-6
    momentum: float = 0.5
    final_momentum: float = 0.7
    momentum_epochs: int = 250
    validation_images: int = 10_000
    epochs: int = 100
    loss: str = "non_saturating"
    precision: str = "bf16"
    snapshots: tuple[int, ...] = (1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 350, 400)
    probe_every: int = 10
    samples: int = 10_000
    width_images: int = 1000
    centroid_iterations: int = 10
    classifier_epochs: int = 8
    neighbours: int = 3
    neighbour_images: int = 5000
    confidence: float = 0.9
    theory_hidden: int = 32
    theory_batch: int = 500
    theory_steps: int = 2000
    theory_rate: float = 0.01
    variant: str = "plain"
    ring_noise: int = 8
    ring_hidden: int = 64
    ring_batch: int = 256
    ring_rate: float = 1e-3
    ring_steps: int = 4000
    ring_every: int = 100
    ring_samples: int = 2500


SHORT = 20  # epochs of the trainings that change one thing
VARIANTS = (
    *("plain", "saturating", "hasty", "thorough"),
    *("thorough_saturating", "thorough_noisy", "thorough_packed"),
)
gan = Experiment(
    Config,
    data={"images": mnist},
    metrics=[
        LIKELIHOOD,
        Metric("validation_log_likelihood", unit="nats", digits=1, better="higher", title="log-likelihood, validation"),
        Metric("standard_error", unit="nats", digits=2, title="standard error over test images"),
        Metric("width", digits=2, title="kernel width σ"),
        Metric("d_loss", unit="nats", digits=4, title="discriminator's mean loss, last epoch"),
        Metric("g_loss", unit="nats", digits=3, title="generator's mean loss, last epoch"),
        Metric("d_real", digits=2, title="discriminator's mean output on real images"),
        Metric("d_fake", digits=2, title="discriminator's mean output on generated images"),
        Metric("gradient_norm", digits=3, title="norm of the generator's gradient, mean over the first epoch"),
        Metric("accuracy", unit="%", digits=2, better="higher", title="classifier's accuracy on the test images"),
        Metric("frechet", digits=1, better="lower", title="Fréchet distance in the classifier's features"),
        Metric("sample_precision", unit="%", digits=1, better="higher", title="precision in the classifier's features"),
        Metric("sample_recall", unit="%", digits=1, better="higher", title="recall in the classifier's features"),
        Metric("class_distance", unit="%", digits=1, better="lower", title="distance of the digits' shares"),
        Metric("rarest_digit", unit="%", digits=1, better="higher", title="share of the rarest digit"),
        Metric("nearest_pixel", digits=2, title="median distance to the nearest training image, in pixels"),
        Metric("nearest_feature", digits=2, title="median distance to the nearest training image, in features"),
        Metric("training_nearer", unit="%", digits=1, title="nearer to training images than to held-out ones"),
        Metric("r2", digits=2, better="higher", title="variance of the attribute that noise explains"),
        Metric("shift", digits=2, title="change of the attribute along a walk"),
        Metric("kept", unit="%", digits=0, better="higher", title="samples that keep their digit along a walk"),
        Metric("confident", unit="%", digits=0, title="pictures of which the classifier is sure"),
        Metric("density_error", digits=4, better="lower", title="mean distance from the optimal discriminator"),
        Metric("value", unit="nats", digits=5, title="value of the game for the trained discriminator"),
        Metric("optimum", unit="nats", digits=5, title="value of the game for the optimal discriminator"),
        Metric("modes", digits=1, better="higher", title="modes of the ring that are covered"),
        Metric("discriminator_loss", unit="nats", digits=3, title="discriminator's mean loss, last steps"),
        Metric("on_ring", unit="%", digits=0, better="higher", title="samples near a mode of the ring"),
    ],
    smoke={
        "config": {
            "hidden": 32,
            "units": 16,
            "validation_images": 200,
            "epochs": 2,
            "snapshots": (1, 2),
            "samples": 400,
        }
        | {"width_images": 100, "centroid_iterations": 2, "classifier_epochs": 2, "neighbour_images": 100}
        | {"theory_steps": 50, "ring_steps": 30, "ring_every": 10, "ring_samples": 200},
        "data": {"images": digits},
        "grid": {"epochs": [2]},
    },
)
train = gan.stage("train:fit", seed=range(5))
saturating = gan.stage("train:fit", name="saturating", loss=["saturating"], epochs=[SHORT], seed=range(5))
single = gan.stage("train:fit", name="single", precision=["fp32"], epochs=[SHORT], seed=range(5))
long = gan.stage("train:fit", name="long", epochs=[250], seed=[0])
critic = gan.stage("train:fit_both", name="critic", seed=[0])
score = gan.stage("evaluate:parzen", each=train)
score_saturating = gan.stage("evaluate:parzen", name="evaluate-saturating", each=saturating)
score_single = gan.stage("evaluate:parzen", name="evaluate-single", each=single)
score_long = gan.stage("evaluate:parzen", name="evaluate-long", each=long)
baselines = gan.stage("evaluate:baselines", name="baselines", seed=range(5))
classifier = gan.stage("classifier:fit", seed=[0])
quality = gan.stage("quality:measure", each=train, over=[classifier])
quality_baselines = gan.stage("quality:measure_baselines", name="quality-baselines", each=baselines, over=[classifier])
latent = gan.stage("latent:explore", each=train, over=[classifier])
theory = gan.stage("theory:discriminate", seed=range(5))
ring = gan.stage("ring:fit", variant=VARIANTS, seed=range(5))
demo = gan.stage("demo:publish", over=[train, critic, latent])
draw_theory = gan.stage("figures_theory:draw", name="figures-theory", over=[theory, ring])
draw_latent = gan.stage(
    "figures_latent:draw",
    name="figures-latent",
    over=[train, score, baselines, quality, quality_baselines, latent],
)
draw = gan.stage("figures:draw", over=[train, score, score_saturating, score_single, score_long])
centres = gan.stage("figures_card:average", name="centres", seed=[0])
glance = gan.stage("figures_glance:draw", name="glance", over=[train, score, baselines, centres])
draw_scores = gan.stage("figures_glance:draw_scores", name="figures-scores", over=[score, score_long, baselines])
card = gan.stage("figures_card:draw", name="card", over=[train, score, baselines, centres])


@gan.claim("greater")
def centroids_beat_real_images(measured):
    """Under the paper's metric, k-means centres of the training images beat the training images themselves."""
    return measured("log_likelihood", source="kmeans"), measured("log_likelihood", source="training")


@gan.claim("less")
def below_the_published_value(measured, reported):
    """After our number of epochs the log-likelihood is below the published one."""
    return measured("log_likelihood", stage="evaluate", source="gan"), reported("log_likelihood", source="gan")


@gan.claim("greater")
def still_rising(measured):
    """The validation log-likelihood at the last kept epoch is above that of the kept epoch before it."""
    before, last = [epoch for epoch in gan.base.snapshots if epoch <= gan.base.epochs][-2:]
    at = {"stage": "evaluate"}
    return measured("validation_log_likelihood", epoch=last, **at), measured(
        "validation_log_likelihood", epoch=before, **at
    )


@gan.claim("less")
def saturating_gradient_is_weaker(measured):
    """Over the first epoch, the saturating loss gives the generator a smaller gradient than the one used here."""
    at = {"stage": "train"}
    return measured("gradient_norm", probe="saturating", **at), measured("gradient_norm", probe="non_saturating", **at)


@gan.claim("less")
def samples_score_below_real_images(measured):
    """Generated samples score below real training images."""
    return measured("log_likelihood", stage="evaluate", source="gan"), measured("log_likelihood", source="training")


@gan.claim("less")
def saturating_loss_falls_behind(measured):
    """After the same number of epochs, the saturating loss leaves the generator at a lower log-likelihood."""
    other = measured("validation_log_likelihood", stage="evaluate-saturating", epoch=SHORT)
    return other, measured("validation_log_likelihood", stage="evaluate", epoch=SHORT)


@gan.claim("undecided", margin="log_likelihood")
def precision_is_undecided(measured):
    """Whether bfloat16 and single precision give the same log-likelihood, five seeds do not tell."""
    other = measured("validation_log_likelihood", stage="evaluate-single", epoch=SHORT)
    return other, measured("validation_log_likelihood", stage="evaluate", epoch=SHORT)


@gan.claim("greater")
def features_prefer_real_images(measured):
    """In the classifier's features, k-means centres are farther from the test images than training images are."""
    return measured("frechet", source="kmeans"), measured("frechet", source="training")


@gan.claim("less")
def samples_are_nearer_than_centres(measured):
    """In the classifier's features, generated samples are nearer to the test images than k-means centres are."""
    return measured("frechet", source="gan"), measured("frechet", source="kmeans")


@gan.claim("greater")
def centres_look_typical(measured):
    """More of the k-means centres than of the training images lie among test images in the features."""
    return measured("sample_precision", source="kmeans"), measured("sample_precision", source="training")


@gan.claim("less")
def centres_lack_variety(measured):
    """Fewer test images lie among the k-means centres than among generated samples."""
    return measured("sample_recall", source="kmeans"), measured("sample_recall", source="gan")


@gan.claim("greater")
def samples_are_farther_than_real_images(measured):
    """In the classifier's features, generated samples are farther from the test images than training images are."""
    return measured("frechet", source="gan"), measured("frechet", source="training")


@gan.claim("greater")
def samples_lean_towards_training_images(measured):
    """Samples are nearer to training images than to held-out ones more often than test images are."""
    at = {"stage": "quality"}
    return measured("training_nearer", neighbour_of="samples", **at), measured(
        "training_nearer", neighbour_of="test_images", **at
    )


@gan.claim("greater")
def centres_are_nearer_to_what_they_average(measured):
    """K-means centres are nearer to training images than to held-out ones more often than test images are."""
    return measured("training_nearer", neighbour_of="kmeans"), measured("training_nearer", neighbour_of="test_images")


@gan.claim("greater")
def noise_midpoints_are_clearer(measured):
    """The classifier is sure of more midpoints in noise than of midpoints in pixels."""
    return measured("confident", shown="noise_midpoints"), measured("confident", shown="pixel_midpoints")


@gan.claim("greater")
def precision_prefers_crossfades(measured):
    """Precision puts averages of two samples above the samples themselves."""
    return measured("sample_precision", shown="pixel_midpoints"), measured("sample_precision", shown="samples")


@gan.claim("less")
def ink_costs_the_digit(measured):
    """A walk along the direction fitted to ink keeps the digit less often than a random walk of the same length."""
    return measured("kept", attribute="ink", along="fitted"), measured("kept", along="random")


@gan.claim("greater")
def freed_walks_keep_the_digit(measured):
    """Freed of the digits' directions, the walk for ink keeps the digit more often than the fitted one."""
    return measured("kept", attribute="ink", along="freed"), measured("kept", attribute="ink", along="fitted")


@gan.claim("greater")
def freed_walks_still_move(measured):
    """Freed of the digits' directions, the walk for ink still changes it more than a random walk."""
    return measured("shift", attribute="ink", along="freed"), measured("shift", attribute="ink", along="random")


@gan.claim("greater")
def digits_are_out_of_balance(measured):
    """The digits' shares among samples are farther from the test labels' than those among training images are."""
    return measured("class_distance", source="gan"), measured("class_distance", source="training")


@gan.claim("greater")
def samples_are_farther_from_training_images(measured):
    """By the median, the nearest training image is farther from a sample than from a test image, in pixels."""
    return measured("nearest_pixel", neighbour_of="samples"), measured("nearest_pixel", neighbour_of="test_images")


@gan.claim("greater")
def slant_has_a_direction(measured):
    """Walking along the fitted direction changes slant more than walking along a random one."""
    at = {"attribute": "slant"}
    return measured("shift", along="fitted", **at), measured("shift", along="random", **at)


@gan.claim("equivalent", margin="value")
def trained_value_is_the_optimum(measured):
    """On two different Gaussians, the trained discriminator reaches the value that the theory gives."""
    return measured("value", case="apart"), measured("optimum", case="apart")


@gan.claim("equivalent", margin="value")
def equality_is_worth_minus_log_four(measured):
    """On two equal Gaussians, the trained discriminator reaches −log 4."""
    return measured("value", case="equal"), -math.log(4)


@gan.claim("less")
def a_thorough_discriminator_costs_modes(measured):
    """With five updates of the discriminator for each of the generator, the generator covers fewer modes."""
    return measured("modes", variant="thorough"), measured("modes", variant="plain")


@gan.claim("greater")
def packing_brings_modes_back(measured):
    """Against the same thorough discriminator, one that judges four samples at once leaves more modes covered."""
    return measured("modes", variant="thorough_packed"), measured("modes", variant="thorough")


@gan.claim("greater")
def noise_brings_modes_back(measured):
    """Against the same thorough discriminator, noise on all that it sees leaves more modes covered."""
    return measured("modes", variant="thorough_noisy"), measured("modes", variant="thorough")


@gan.claim("undecided")
def a_hasty_generator_is_undecided(measured):
    """Whether five updates of the generator for each of the discriminator cost modes, five seeds do not tell."""
    return measured("modes", variant="hasty"), measured("modes", variant="plain")


for rows_of_a_table in TABLES:
    gan.table(rows_of_a_table)
