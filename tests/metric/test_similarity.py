"""Measures of representations against independent computations, closed forms and properties."""

from itertools import pairwise
from math import acos, pi, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch import nn

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.similarity.canonical import pwcca, svcca
from clbench.metric.similarity.cka import linear_cka, linear_cka_in_chunks
from clbench.metric.similarity.distances import distance_correlation, hashed_subset, rsa
from clbench.metric.similarity.measures import MEASURES, chosen
from clbench.metric.similarity.neighbours import (
    jaccard_chance,
    knn_jaccard,
    mutual_chance,
    mutual_knn,
)
from clbench.metric.similarity.null import compared
from clbench.metric.similarity.pairs import Embedded, Unfit, check_same_samples
from clbench.metric.similarity.procrustes import procrustes_angle, procrustes_distance

EACH = pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda m: m.name)


def noise(n=120, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def related(n=120, d1=6, d2=5, seed=0, own=0.5):
    """Two representations that have something in common, features of unequal variance."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, d1)) * np.arange(1, d1 + 1)
    second = common @ rng.normal(size=(d1, d2)) + own * d1 * rng.normal(size=(n, d2))
    return common + 1.5, second - 2.0


def rotation(d, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


# -- CKA ----------------------------------------------------------------------------------


def u_statistic(k, other):
    """HSIC of Song et al. 2012 from two Gram matrices, as printed."""
    n, one = len(k), np.ones(len(k))
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    middle = (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    crossed = 2 / (n - 2) * (one @ k @ other @ one)
    return (np.trace(k @ other) + middle - crossed) / (n * (n - 3))


def by_grams(x, y):
    k, other = x @ x.T, y @ y.T
    return u_statistic(k, other) / sqrt(u_statistic(k, k) * u_statistic(other, other))


def biased(x, y, centre=True):
    x, y = (each - each.mean(axis=0) * centre for each in (x, y))
    lengths = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / lengths)


@pytest.mark.parametrize(("n", "d1", "d2"), [(4, 2, 3), (50, 6, 5), (200, 3, 40), (20, 100, 90)])
def test_cka_in_feature_space_is_the_u_statistic_of_gram_matrices(n, d1, d2):
    x, y = related(n, d1, d2)
    assert linear_cka(x, y) == pytest.approx(by_grams(x, y), abs=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(5, 60), st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_cka_agrees_with_gram_matrices_whatever_the_shapes(n, d1, d2, seed):
    x, y = related(n, d1, d2, seed)
    assert linear_cka(x, y) == pytest.approx(by_grams(x, y), abs=1e-8)


def test_debiased_cka_of_independent_embeddings_is_0_where_the_biased_one_is_not():
    pairs = [(noise(64, 256, seed), noise(64, 256, seed + 100)) for seed in range(8)]
    assert np.mean([linear_cka(*pair) for pair in pairs]) == pytest.approx(0, abs=0.01)
    assert np.mean([biased(*pair) for pair in pairs]) == pytest.approx(0.8, abs=0.02)


def test_embeddings_that_are_not_centred_would_look_alike():
    x, y = noise(seed=1) + 5, noise(seed=2) + 5
    assert biased(x, y, centre=False) > 0.9
    assert abs(linear_cka(x, y)) < 0.1


def test_a_large_offset_costs_no_digits():
    x, y = related()
    assert linear_cka(x + 1e3, y - 1e3) == pytest.approx(linear_cka(x, y), abs=1e-10)
    x, y = x.astype(np.float32), y.astype(np.float32)
    assert linear_cka(x, y) == pytest.approx(linear_cka(*related()), abs=1e-5)


def chunks_of(x, y, size):
    return lambda: ((x[i : i + size], y[i : i + size]) for i in range(0, len(x), size))


@pytest.mark.parametrize("size", [1, 7, 64, 500])
def test_cka_in_chunks_is_the_same_number(size):
    x, y = related(130)
    found = linear_cka_in_chunks(chunks_of(x + 1e3, y, size))
    assert found == pytest.approx(linear_cka(x, y), abs=1e-9)


def test_the_mean_of_the_ckas_of_chunks_is_another_number():
    x, y = related(512, 40, 40, own=2.0)
    mean = np.mean([biased(*pair) for pair in chunks_of(x, y, 64)()])
    assert mean > linear_cka_in_chunks(chunks_of(x, y, 64)) + 0.05


def test_chunks_that_come_once_are_refused():
    x, y = related()
    once = chunks_of(x, y, 10)()
    with pytest.raises(ClbenchError, match="the second pass gave 0 samples, the first 120"):
        linear_cka_in_chunks(lambda: once)
    with pytest.raises(ClbenchError, match=r"got \(10, 6\) and \(9, 5\)"):
        linear_cka_in_chunks(lambda: [(x[:10], y[:9])])
    with pytest.raises(Unfit, match="0 samples"):
        linear_cka_in_chunks(lambda: [])
    with pytest.raises(Unfit, match="not finite"):
        linear_cka_in_chunks(lambda: [(np.full((5, 2), np.nan), x[:5])])


def test_samples_that_are_all_equally_far_apart_have_no_structure_to_align():
    for measure in (linear_cka, distance_correlation, rsa):
        with pytest.raises(Unfit, match="equally far apart"):
            measure(np.eye(6), noise(6))


# -- Procrustes ---------------------------------------------------------------------------


def unit(x):
    x = x - x.mean(axis=0)
    return x / np.linalg.norm(x)


@pytest.mark.parametrize(("n", "d1", "d2"), [(50, 6, 6), (50, 7, 4), (50, 4, 7), (10, 30, 20)])
def test_procrustes_is_what_is_left_after_scipys_best_rotation(n, d1, d2):
    x, y = related(n, d1, d2)
    wide = max(d1, d2)
    a, b = (np.pad(unit(each), ((0, 0), (0, wide - each.shape[1]))) for each in (x, y))
    turn, nuclear = orthogonal_procrustes(a, b)
    assert procrustes_distance(x, y) == pytest.approx(np.linalg.norm(a @ turn - b) ** 2, abs=1e-10)
    assert procrustes_angle(x, y) == pytest.approx(acos(nuclear), abs=1e-8)


@pytest.mark.parametrize(("d1", "d2"), [(6, 6), (6, 9), (9, 6)])
@pytest.mark.parametrize("size", [1e-4, 1e-8])
def test_small_distances_keep_their_digits(d1, d2, size):
    x = noise(100, min(d1, d2))
    moved = x + size * noise(100, min(d1, d2), 1)
    a, b = (np.pad(each, ((0, 0), (0, d - each.shape[1]))) for each, d in ((x, d1), (moved, d2)))
    assert procrustes_distance(a, b @ rotation(d2)) == pytest.approx(size**2, rel=0.2)
    assert procrustes_angle(a, b @ rotation(d2)) == pytest.approx(size, rel=0.2)


def test_embeddings_without_anything_in_common_are_at_a_right_angle():
    rows = np.eye(8)[:, :2]
    x, y = np.repeat([1.0, -1.0], 4)[:, None], np.tile([1.0, -1.0], 4)[:, None]
    assert procrustes_distance(x, y) == pytest.approx(2)
    assert procrustes_angle(x, y) == pytest.approx(pi / 2)
    assert procrustes_distance(rows, rows) == pytest.approx(0, abs=1e-15)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 99), min_size=3, max_size=3, unique=True))
def test_the_angle_meets_the_triangle_inequality(seeds):
    a, b, c = (related(30, 5, 5, seed)[seed % 2] for seed in seeds)
    assert procrustes_angle(a, c) <= procrustes_angle(a, b) + procrustes_angle(b, c) + 1e-9


# -- neighbours ---------------------------------------------------------------------------


def neighbours(x, k):
    found = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(x).kneighbors(x)[1]
    return [set(row) - {i} for i, row in enumerate(found)]


@pytest.mark.parametrize(("n", "k"), [(60, 10), (1100, 5), (12, 11)])
def test_neighbours_in_common_are_those_of_scikit_learn(n, k):
    x, y = related(n)
    pairs = list(zip(neighbours(x, k), neighbours(y, k), strict=True))
    assert mutual_knn(x, y, k) == pytest.approx(np.mean([len(a & b) / k for a, b in pairs]))
    expected = np.mean([len(a & b) / len(a | b) for a, b in pairs])
    assert knn_jaccard(x, y, k) == pytest.approx(expected)


def test_chance_depends_on_n_so_that_n_belongs_to_the_number():
    for n in (60, 300):
        pairs = [(noise(n, 8, seed), noise(n, 8, seed + 50)) for seed in range(5)]
        found = np.mean([mutual_knn(*pair) for pair in pairs])
        assert found == pytest.approx(mutual_chance(n), abs=0.02)
        found = np.mean([knn_jaccard(*pair) for pair in pairs])
        assert found == pytest.approx(jaccard_chance(n), abs=0.02)
    assert jaccard_chance(11) == pytest.approx(1)  # all others are neighbours
    assert MEASURES["mutual_knn"].label(512) == "mutual_knn(k=10, n=512)"


@pytest.mark.parametrize("k", [0, 20, 21])
def test_there_are_fewer_neighbours_than_samples(k):
    with pytest.raises(ClbenchError, match=f"k is {k} for 20 samples"):
        knn_jaccard(noise(20), noise(20), k)


def test_an_embedding_of_0_has_no_cosine():
    x = noise()
    x[3] = 0
    with pytest.raises(Unfit, match="1 of 120 embeddings are 0"):
        mutual_knn(x, noise())


# -- distances ----------------------------------------------------------------------------


def u_centred(x):
    a, n = squareform(pdist(x)), len(x)
    rows = a.sum(axis=1)
    a = a - (rows[:, None] + rows) / (n - 2) + a.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(a, 0)
    return a


@pytest.mark.parametrize(("n", "d1", "d2"), [(4, 2, 3), (50, 6, 5), (600, 3, 4), (20, 60, 50)])
def test_distance_correlation_is_that_of_u_centred_tables(n, d1, d2):
    x, y = related(n, d1, d2)
    a, b = u_centred(x), u_centred(y)
    expected = (a * b).sum() / sqrt((a * a).sum() * (b * b).sum())
    assert distance_correlation(x, y) == pytest.approx(expected, abs=1e-9)


def test_distance_correlation_sees_what_is_not_linear_and_nothing_in_noise():
    x = noise(400, 1)
    assert abs(linear_cka(x, x**2)) < 0.02
    assert distance_correlation(x, x**2) > 0.15
    pairs = [(noise(60, 200, seed), noise(60, 200, seed + 50)) for seed in range(8)]
    assert np.mean([distance_correlation(*pair) for pair in pairs]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("n", [5, 60, 530])
def test_rsa_is_scipys_rank_correlation_of_distances(n):
    x, y = related(n)
    assert rsa(x, y) == pytest.approx(spearmanr(pdist(x), pdist(y)).statistic, abs=1e-9)


def test_equal_distances_share_a_rank():
    x, y = np.arange(6.0)[:, None], np.round(noise(6, 1), 0)
    one, two = rankdata(pdist(x)), rankdata(pdist(y))
    assert rsa(x, y) == pytest.approx(np.corrcoef(one, two)[0, 1], abs=1e-9)


def test_a_hash_of_ids_chooses_the_same_samples_in_any_company():
    ids = np.random.default_rng(0).permutation(5000)
    few = ids[hashed_subset(ids, 100)]
    assert len(few) == 100
    again = np.sort(ids)
    assert set(again[hashed_subset(again, 100)]) == set(few)
    company = np.concatenate([ids, np.arange(5000, 10_000)])
    assert set(company[hashed_subset(company, 200)]) & set(ids) <= set(ids[hashed_subset(ids, 200)])
    assert abs(few.mean() - 2500) < 500
    assert len(hashed_subset(ids[:50], 100)) == 50


# -- canonical correlations ---------------------------------------------------------------


def test_canonical_correlations_are_cosines_of_scipys_angles():
    x, y = related(300)
    one, two = (each - each.mean(axis=0) for each in (x, y))
    correlations = np.cos(subspace_angles(one, two))
    assert min(correlations) < pwcca(x, y) < max(correlations)
    whole = noise(300, 4), noise(300, 4) @ np.diag([1, 2, 3, 4]) + noise(300, 4, 1)
    expected = np.cos(subspace_angles(*(each - each.mean(axis=0) for each in whole))).mean()
    assert svcca(*whole) == pytest.approx(expected, abs=1e-9)


def test_svcca_keeps_99_percent_of_the_squares_of_singular_values():
    x = np.linalg.qr(noise(400, 3) - noise(400, 3).mean(axis=0))[0]
    x = (x - x.mean(axis=0)) * [10, 1.05, 0.9]  # squares: 100, 1.1 and 0.8
    other = noise(400, 1, 5)
    y = x[:, :1] + 0 * other
    assert svcca(x, y) == pytest.approx(1, abs=0.01)
    assert svcca(x, x[:, [0, 2]]) == pytest.approx(1, abs=0.01)


def test_directions_that_are_rounding_are_none():
    x = noise(200, 3)
    copied = np.hstack([x, x, x @ rotation(3)])  # of rank 3
    assert pwcca(copied, noise(200, 3, 1)) < 0.4
    assert pwcca(x, copied) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("measure", [svcca, pwcca])
def test_canonical_correlations_are_refused_for_few_samples(measure):
    with pytest.raises(Unfit, match=r"59 samples for 6 directions; .* take 60"):
        measure(noise(59, 6), noise(59, 3))
    assert 0 <= measure(noise(60, 6), noise(60, 3)) <= 1


# -- what all measures have in common -----------------------------------------------------

LINEAR = np.diag([8.0, 4.0, 1.0, 0.2, 0.1, 0.05]) @ rotation(6, 3)
MAPS = {
    "rotation": lambda x: x @ rotation(x.shape[1]),
    "scaling": lambda x: 7 * x,
    "translation": lambda x: x + np.linspace(1, 30, x.shape[1]),
    "linear": lambda x: x @ LINEAR,
}


@EACH
@pytest.mark.parametrize("name", MAPS)
def test_a_measure_is_blind_to_the_maps_that_it_declares_and_to_no_others(measure, name):
    x, y = related(d1=6, d2=6)
    before = measure.function(x, y)
    first, second = measure.function(MAPS[name](x), y), measure.function(x, MAPS[name](y))
    if name in measure.blind_to:
        assert [first, second] == pytest.approx([before, before], abs=1e-9)
    else:
        assert max(abs(first - before), abs(second - before)) > 1e-3


@EACH
def test_a_representation_is_most_like_itself(measure):
    x, _ = related()
    best = measure.range[1] if measure.direction == "higher" else measure.range[0]
    assert measure.function(x, x) == pytest.approx(best, abs=1e-9)


@EACH
def test_a_measure_is_symmetric_unless_it_weighs_one_side(measure):
    x, y = related()
    same = measure.function(x, y) == pytest.approx(measure.function(y, x), abs=1e-9)
    assert same == (measure.name != "pwcca")


@EACH
def test_the_order_of_samples_does_not_matter(measure):
    x, y = related()
    order = np.random.default_rng(0).permutation(len(x))
    assert measure.function(x[order], y[order]) == pytest.approx(measure.function(x, y), abs=1e-9)


@EACH
@settings(max_examples=10, deadline=None)
@given(n=st.integers(60, 80), d1=st.integers(1, 6), d2=st.integers(1, 6), seed=st.integers(0, 99))
def test_values_are_finite_and_in_their_range(measure, n, d1, d2, seed):
    x, y = related(n, d1, d2, seed)
    low, high = measure.range
    assert low <= measure.function(x.astype(np.float32), y) <= high


@EACH
def test_more_noise_is_less_alike(measure):
    x, _ = related()
    values = [measure.function(x, x + 6 * s * noise(seed=9)) for s in (0.02, 0.3, 1.5)]
    values = values if measure.direction == "lower" else values[::-1]
    assert values == sorted(values)
    assert len(set(values)) == 3


@EACH
def test_nothing_that_is_given_is_changed(measure):
    x, y = related()
    for each in (x, y):
        each.flags.writeable = False
    measure.function(x, y)


@EACH
def test_what_cannot_be_compared_is_told_in_a_sentence(measure):
    x, y = related()
    for given_x, given_y, said in (
        (x[:3], y[:3], "there are 3 samples; a similarity takes 4 or more"),
        (x[:-1], y, r"got shapes \(119, 6\) and \(120, 5\)"),
        (x[:, 0], y, r"got shapes \(120,\) and"),
        (np.ones_like(x), y, "the first embeddings are the same for all samples"),
        (x, 0 * y, "the second embeddings are the same for all samples"),
        (np.where(x > 9, np.nan, x), y, "of the first 120 embeddings are not finite"),
        (x, np.where(y > 9, np.inf, y), "of the second 120 embeddings are not finite"),
    ):
        with pytest.raises(ClbenchError, match=said):
            measure.function(given_x, given_y)


def test_embeddings_that_tell_nothing_are_a_reason_in_a_score():
    with pytest.raises(NotMeasured, match="same for all samples"):
        linear_cka(np.ones((9, 2)), noise(9))


def test_a_dead_feature_is_no_obstacle():
    x, y = related()
    dead = np.hstack([x, np.zeros((120, 2))])
    for name in ("linear_cka", "procrustes_distance", "knn_jaccard", "distance_correlation", "rsa"):
        found = MEASURES[name].function(dead, y)
        assert found == pytest.approx(MEASURES[name].function(x, y), abs=1e-9)


# -- nulls and ids ------------------------------------------------------------------------


def embedded(values):
    return Embedded(values, np.arange(len(values)))


@EACH
def test_every_measure_has_a_null(measure):
    x, y = related()
    found = compared(measure, embedded(x), embedded(y), draws=19)
    assert found.p == 1 / 20
    assert found.n == 120
    assert abs(found.value - found.null) > 3 * found.spread > 0
    assert f"n={found.n}" in found.label
    independent = compared(measure, embedded(noise()), embedded(noise(seed=1)), draws=19)
    assert abs(independent.value - independent.null) < 5 * independent.spread


def test_nulls_are_where_theory_has_them():
    x, y = embedded(noise(seed=1)), embedded(noise(seed=2))
    for name, expected in {
        "linear_cka": 0,
        "distance_correlation": 0,
        "rsa": 0,
        "mutual_knn": mutual_chance(120),
        "knn_jaccard": jaccard_chance(120),
    }.items():
        assert compared(MEASURES[name], x, y).null == pytest.approx(expected, abs=0.02)


def test_the_same_seed_gives_the_same_null():
    x, y = map(embedded, related())
    assert compared(MEASURES["rsa"], x, y) == compared(MEASURES["rsa"], x, y)


def test_rsa_takes_a_hashed_subset_of_many():
    x, y = related(2100, 3, 3)
    found = compared(MEASURES["rsa"], embedded(x), embedded(y), draws=2)
    assert (found.n, found.label) == (2000, "rsa(n=2000)")
    assert found.value == pytest.approx(rsa(x[:700], y[:700]), abs=0.05)


def test_embeddings_of_other_samples_or_in_another_order_are_refused():
    x = noise(5)
    ids = np.array([3, 5, 7, 9, 11])
    check_same_samples(Embedded(x, ids), Embedded(x, ids.copy()))
    with pytest.raises(ClbenchError, match="2 samples have an embedding on one side alone"):
        check_same_samples(Embedded(x, ids), Embedded(x, np.array([3, 5, 7, 9, 13])))
    with pytest.raises(ClbenchError, match="in another order"):
        compared(MEASURES["rsa"], Embedded(x, ids), Embedded(x, ids[::-1]))
    with pytest.raises(ClbenchError, match=r"\(5, 6\) and \(4,\)"):
        Embedded(x, ids[:4])
    with pytest.raises(ClbenchError, match="a null of 1 permutations"):
        compared(MEASURES["rsa"], Embedded(x, ids), Embedded(x, ids), draws=1)


def test_measures_are_chosen_by_name():
    assert [each.name for each in chosen(["rsa", "svcca"])] == ["rsa", "svcca"]
    assert {"svcca", "pwcca"}.isdisjoint(each.name for each in chosen())
    with pytest.raises(ClbenchError, match="did you mean 'linear_cka'"):
        chosen(["linear_ckaa"])


# -- do the measures see what they should (as ReSi asks) ----------------------------------


def layers(seed, x, depth=5, width=40):
    """Activations of a random network with ReLU, layer after layer."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(depth):
        x = np.maximum(x @ (rng.normal(size=(x.shape[1], width)) * sqrt(2 / x.shape[1])), 0) + 1e-9
        found.append(x)
    return found


@pytest.mark.parametrize("measure", chosen(), ids=lambda m: m.name)
def test_layers_are_the_less_alike_the_farther_apart(measure):
    found = layers(0, noise(150, 10))
    similar = [measure.function(found[0], each) for each in found]
    ordered = similar if measure.direction == "lower" else similar[::-1]
    assert ordered == sorted(ordered)


@pytest.fixture(scope="module")
def trained():
    """The last hidden layers of networks taught right labels, twice, and random ones."""
    x, y = load_digits(return_X_y=True)
    inputs = torch.tensor(x[:300] / 16, dtype=torch.float32)
    right = torch.tensor(y[:300])
    shuffled = right[torch.randperm(300, generator=torch.Generator().manual_seed(0))]

    def hidden(labels, seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = [64, 32, 32]
            hidden = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.Tanh())]
            body, head = nn.Sequential(*hidden), nn.Linear(32, 10)
        step = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.01)
        for _ in range(150):
            step.zero_grad()
            nn.functional.cross_entropy(head(body(inputs)), labels).backward()
            step.step()
        return body(inputs).detach().numpy()

    return hidden(right, 1), hidden(right, 2), hidden(shuffled, 3)


@pytest.mark.parametrize("measure", chosen(), ids=lambda m: m.name)
def test_a_network_taught_random_labels_is_apart_from_those_taught_right_ones(measure, trained):
    first, second, random = trained
    within = measure.function(first, second)
    between = [measure.function(each, random) for each in (first, second)]
    if measure.direction == "lower":
        assert within < min(between)
    else:
        assert within > max(between)


@pytest.mark.parametrize("measure", chosen(), ids=lambda m: m.name)
def test_similarity_follows_the_difference_of_outputs(measure):
    x, rng = noise(150, 10), np.random.default_rng(4)
    first, head = x @ rng.normal(size=(10, 30)), rng.normal(size=(30, 4))
    sizes = np.linspace(0.05, 2, 12)
    others = [first + size * 3 * rng.normal(size=first.shape) for size in sizes]
    changed = [float(((first @ head).argmax(1) != (z @ head).argmax(1)).mean()) for z in others]
    values = [measure.function(first, z) for z in others]
    sign = 1 if measure.direction == "lower" else -1
    assert sign * spearmanr(values, changed).statistic > 0.8
    assert all(a != b for a, b in pairwise(values))
