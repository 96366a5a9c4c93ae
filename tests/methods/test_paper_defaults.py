"""Defaults that are the papers' own, or their code's: a change is a change of the method."""

from typing import Any

import pytest

from clbench.running import load_method

# What the codes of 2304.04934 and 2310.12508 have in common.
SPARSE = {
    "unlearning.momentum": 0.9,
    "unlearning.weight_decay": 5e-4,
    "unlearning.batch_size": 256,
}
# Method: what its paper (or, marked so, its authors' code) sets.
PAPERS: dict[str, dict[str, Any]] = {
    "agem": {"reference": 256},  # code
    # code of 2205.08096, which compares with it
    "amnesiac": {
        "unlearning.optimiser": "adam",
        "unlearning.lr": 1e-4,
        "unlearning.batch_size": 128,
        "unlearning.epochs": 3,
    },
    "aper": {"training.lr": 0.01, "training.epochs": 20, "training.batch_size": 48},
    # code: the notebook
    "bad_teacher": {
        "unlearning.optimiser": "adam",
        "unlearning.lr": 1e-4,
        "unlearning.batch_size": 256,
        "unlearning.epochs": 1,
        "kept": 0.3,
        "temperature": 1.0,
    },
    "der": {"alpha": 0.3, "training.lr": 0.03},
    "derpp": {"alpha": 0.1, "beta": 0.5},
    "dm_direct": {"multiplier": 1.0, "share": 0.5},
    "dmm": {  # code
        "multiplier": 1.0,
        "share": 0.5,
        "matching.lr": 5e-4,
        "matching.decay": 0.95,
        "matching.epochs": 5,
        "matching.batch_size": 512,
        "matching.forget_multiplier": 1,
        "matching.retain_multiplier": 3,
    },
    "dsimplex": {"vertices": 1024, "weight": 0.1, "scale": 10.0},  # code
    "elodi": {"members": 8, "top": 10, "weight": 0.4},  # the weight: code
    "er_reptile": {"replay": 0.5, "every": 500, "epsilon": 0.1},
    "fisher_forgetting": {"alpha": 1e-6},  # code
    "fsa": {"ridge": 1.0},
    "gdumb": {
        "cutmix": 0.5,  # on colour images; none on MNIST
        "passes": 256,
        "training.lr": 0.05,
        "training.momentum": 0.9,
        "training.weight_decay": 1e-6,
        "training.batch_size": 16,
    },
    "gradient_ascent": {"unlearning.lr": 1e-4, "unlearning.epochs": 5},  # code of 2406.01257
    "icarl": {
        "buffer": 2000,
        "training.epochs": 70,
        "training.batch_size": 128,
        "training.weight_decay": 1e-5,
        "training.lr": 2.0 / 100,  # on a sum over classes in place of a mean over 100
    },
    "influence": {"alpha": 0.2, "samples": 1000, "damping": 1.0},  # code of 2304.04934
    # code, a class and VGG16
    "jit": {
        "sigma": 0.5,
        "copies": 25,
        "unlearning.lr": 3e-4,
        "unlearning.batch_size": 128,
        "unlearning.epochs": 1,
    },
    # code, random samples of CIFAR-10
    "laf": {
        "unlearning.optimiser": "adam",
        "unlearning.lr": 1e-5,
        "unlearning.batch_size": 32,
        "unlearning.epochs": 40,
        "alignment_lr": 4e-5,
        "temperature": 20.0,
        "latent": 16,
        "vae_epochs": 10,
        "vae_lr": 1e-3,
        "vae_weight": 0.025,
    },
    "lfssd": {"alpha": 10.0, "dampening": 1.0},  # those of ssd
    "l1_sparse": {"unlearning.lr": 0.01, "unlearning.epochs": 10, "plain_epochs": 0} | SPARSE,
    "lwf": {"strength": 1.0, "temperature": 2.0},
    # code, rotated MNIST with 200 remembered samples; 10 of them and the new one
    "mer": {"training.lr": 0.1, "beta": 0.01, "gamma": 1.0, "k": 11, "batches": 5},
    # code of 2406.01257; alpha of 2410.01276
    "neggrad_plus": {"unlearning.lr": 0.01, "unlearning.epochs": 5, "alpha": 0.95},
    "oracle_matching": {  # code
        "matching.lr": 5e-4,
        "matching.decay": 0.95,
        "matching.epochs": 5,
        "matching.batch_size": 512,
        "matching.forget_multiplier": 1,
        "matching.retain_multiplier": 3,
    },
    "pct": {"base": 1.0, "focus": 5.0, "temperature": 5.0},
    "random_label": {"unlearning.lr": 0.013, "unlearning.epochs": 10} | SPARSE,  # code of SalUn
    "ranpac": {
        "dimensions": 10000,
        "training.lr": 0.01,
        "training.epochs": 20,
        "training.batch_size": 48,
        "training.weight_decay": 5e-4,
    },
    "salun": {"unlearning.lr": 0.013, "unlearning.epochs": 10, "share": 0.5} | SPARSE,  # code
    # code: the large-scale notebook
    "scrub": {
        "unlearning.lr": 5e-4,
        "unlearning.momentum": 0.9,
        "unlearning.weight_decay": 5e-4,
        "unlearning.batch_size": 128,
        "unlearning.epochs": 3,
        "forget_batch_size": 32,
        "max_epochs": 2,
        "gamma": 0.99,
        "alpha": 1e-3,
        "temperature": 4.0,
    },
    "si": {"strength": 0.1, "xi": 0.1},  # permuted MNIST
    "sisa": {"shards": 5},  # example in the code
    "slca": {
        "slow": 0.01,
        "samples": 256,
        "alignment": 5,
        "temperature": 0.1,
        "training.lr": 0.01,
        "training.epochs": 20,
        "training.batch_size": 128,
        "training.weight_decay": 5e-4,
    },
    "slda": {"shrinkage": 1e-4},
    "ssd": {"alpha": 10.0, "dampening": 1.0},  # ResNet18
}


@pytest.mark.parametrize(("method", "name"), [(m, n) for m, row in PAPERS.items() for n in row])
def test_the_default_is_the_papers(method: str, name: str) -> None:
    value: Any = load_method(method)()
    for part in name.split("."):
        value = getattr(value, part)
    assert value == PAPERS[method][name]
