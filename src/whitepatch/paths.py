"""Every artefact's name, relative to the project's root. Creates nothing."""

__all__ = [
    "MLFLOW",
    "PARAMS",
    "PUBLISHED",
    "REPORTS",
    "contact_sheet",
    "epochs",
    "history",
    "maps",
    "metrics",
    "model",
    "origin",
    "raw",
    "report",
    "split",
    "summary",
    "sweep",
    "training_record",
    "weights",
]

from pathlib import Path

PARAMS = Path("params.yaml")
MLFLOW = Path("mlflow")
REPORTS = Path("reports")
PUBLISHED = Path("data/published.csv")


def raw(source: str) -> Path:
    """Folder of a source's images, in STL-10's binary layout."""
    return Path("data/raw") / source


def split(experiment: str) -> Path:
    """Manifest of an experiment: one row an image."""
    return Path("data/split") / f"{experiment}.csv"


def origin(experiment: str) -> Path:
    """What an experiment's images are, in words."""
    return Path("data/split") / f"{experiment}.json"


def report(experiment: str) -> Path:
    """Folder of an experiment's results."""
    return REPORTS / experiment


def contact_sheet(experiment: str) -> Path:
    """Picture of the first images of each split, with their labels."""
    return report(experiment) / "contact_sheet.png"


def history(experiment: str, variant: str) -> Path:
    """Losses and accuracies of every seed and epoch."""
    return report(experiment) / "history" / f"{variant}.csv"


def metrics(experiment: str, variant: str) -> Path:
    """Final numbers of every seed."""
    return report(experiment) / "metrics" / f"{variant}.json"


def summary(experiment: str) -> Path:
    """Folder of a few numbers a variant, a file each: what `dvc metrics show` shows."""
    return REPORTS / "summary" / experiment


def sweep(name: str) -> Path:
    """Losses, accuracies and AUC of every cell and test condition of a sweep."""
    return REPORTS / "sweeps" / f"{name}.csv"


def maps(experiment: str, variant: str) -> Path:
    """Maps, per-image scores and predictions of every seed."""
    return report(experiment) / "maps" / f"{variant}.npz"


def model(experiment: str, variant: str) -> Path:
    """Folder of a variant's trained weights."""
    return Path("models") / experiment / variant


def weights(experiment: str, variant: str, seed: int) -> Path:
    """Weights of one seed at its chosen epoch."""
    return model(experiment, variant) / f"seed-{seed:02}.safetensors"


def epochs(experiment: str, variant: str) -> Path:
    """Weights of the first seed after every epoch, to watch its maps emerge."""
    return model(experiment, variant) / "epochs.safetensors"


def training_record(experiment: str, variant: str) -> Path:
    """Which epoch each seed chose, and on what the training ran."""
    return model(experiment, variant) / "training.json"
