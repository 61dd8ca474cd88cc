"""What the GAN post declares: settings from the authors' released MNIST configuration, stages, claims and tables."""

from dataclasses import dataclass

from lockstep.catalogue import digits, mnist
from lockstep.experiment import Experiment, Metric
from lockstep.statistics import compare


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


SHORT = 20  # epochs of the trainings that change one thing
LIKELIHOOD = Metric("log_likelihood", unit="nats", digits=1, better="higher", title="Parzen-window log-likelihood")
gan = Experiment(
    Config,
    data={"images": mnist},
    metrics=[
        LIKELIHOOD,
        Metric("validation_log_likelihood", unit="nats", digits=1, better="higher", title="log-likelihood, validation"),
        Metric("standard_error", unit="nats", digits=2, title="standard error over test images"),
        Metric("width", digits=2, title="kernel width σ"),
        Metric("d_loss", unit="nats", digits=3, title="discriminator's mean loss, last epoch"),
        Metric("g_loss", unit="nats", digits=3, title="generator's mean loss, last epoch"),
        Metric("d_real", digits=2, title="discriminator's mean output on real images"),
        Metric("d_fake", digits=2, title="discriminator's mean output on generated images"),
        Metric("gradient_norm", digits=3, title="norm of the generator's gradient, mean over the first epoch"),
    ],
    smoke={
        "config": {
            "hidden": 32,
            "units": 16,
            "validation_images": 200,
            "epochs": 2,
            "snapshots": (1, 2),
            "samples": 200,
            "width_images": 100,
            "centroid_iterations": 2,
        },
        "data": {"images": digits},
    },
)
train = gan.stage("train:fit", seed=range(5))
saturating = gan.stage("train:fit", name="saturating", loss=["saturating"], epochs=[SHORT], seed=range(5))
single = gan.stage("train:fit", name="single", precision=["fp32"], epochs=[SHORT], seed=range(5))
long = gan.stage("train:fit", name="long", epochs=[250], seed=[0])
score = gan.stage("evaluate:parzen", each=train)
score_saturating = gan.stage("evaluate:parzen", name="evaluate-saturating", each=saturating)
score_single = gan.stage("evaluate:parzen", name="evaluate-single", each=single)
score_long = gan.stage("evaluate:parzen", name="evaluate-long", each=long)
baselines = gan.stage("evaluate:baselines", name="baselines", seed=range(5))
draw = gan.stage("figures:draw", over=[train, score, score_saturating, score_single, score_long])


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


@gan.claim("equivalent", margin="log_likelihood")
def precision_makes_no_difference(measured):
    """After the same number of epochs, products in bfloat16 and in single precision give the same log-likelihood."""
    other = measured("validation_log_likelihood", stage="evaluate-single", epoch=SHORT)
    return other, measured("validation_log_likelihood", stage="evaluate", epoch=SHORT)


@gan.table
def reported_and_reproduced(measured, reported):
    """Parzen-window log-likelihood of the MNIST test set in nats, reported and reproduced."""
    published, margin = reported("log_likelihood", source="gan"), reported.margin("log_likelihood")
    rows = []
    for name, stage in (("adversarial nets", "evaluate"), ("the same, one seed for longer", "evaluate-long")):
        ours = measured("log_likelihood", stage=stage, source="gan")
        differences = [value - published.value for value in ours.values.values()]
        within = compare(differences, margin).verdict == "equivalent"
        rows.append(
            {
                "model": name,
                "reported": published,
                "ours": ours,
                "n": str(len(differences)),
                "over images": measured("standard_error", stage=stage, source="gan"),
                "difference": LIKELIHOOD.format(compare(differences).mean),
                "margin": f"± {margin:g}",
                "verdict": "reproduced" if within else "not reproduced" if len(differences) > 1 else "one run",
            }
        )
    for name, source in (("deep GSN", "gsn"), ("DBN", "dbn"), ("stacked CAE", "cae")):
        rows.append({"model": name, "reported": reported("log_likelihood", source=source), "ours": "not run"})
    return rows


@gan.table
def what_the_metric_prefers(measured, reported):
    """The same metric for the generator, for real training images and for k-means centres of them."""
    named = (("generator", "gan"), ("real training images", "training"), ("k-means centres", "kmeans"))
    rows = []
    for name, source in named:
        theirs = reported("log_likelihood", source=source) if source != "gan" else "—"
        at = {"source": source} | ({"stage": "evaluate"} if source == "gan" else {})
        row = {"centres of the window": name, "ours": measured("log_likelihood", **at)}
        rows.append(row | {"over images": measured("standard_error", **at), "Theis et al.": theirs})
    return rows
