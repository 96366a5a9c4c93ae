"""TRAK against loops over samples, influence formulas, and models that are trained again."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clbench.ensemble.gradients import Gradients, Projection
from clbench.ensemble.trak import margin, trak_scores
from clbench.errors import ClbenchError


def vectors(classes: int = 3) -> tuple[nn.Module, Tensor, Tensor]:
    """A small network of two layers, 17 samples, in double precision."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, classes)).double()
    return model, torch.randn(17, 5).double(), torch.randint(0, classes, (17,))


def images() -> tuple[nn.Module, Tensor, Tensor]:
    """Convolution, pooling, normalisation and dropout, left in train mode."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.MaxPool2d(2), nn.GroupNorm(2, 4), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3)]
    model = nn.Sequential(*layers, *head).double()
    return model, torch.randn(6, 2, 6, 6).double(), torch.randint(0, 3, (6,))


def one_by_one(model: nn.Module, output: Tensor) -> Tensor:
    gradients = torch.autograd.grad(output, list(model.parameters()), retain_graph=True)
    return torch.cat([g.flatten() for g in gradients])


class TestMargins:
    def test_are_logits_of_the_probability(self) -> None:
        logits = torch.randn(9, 4).double()
        y = torch.arange(9) % 4
        p = logits.softmax(1).gather(1, y[:, None])[:, 0]
        assert torch.allclose(margin(logits, y), (p / (1 - p)).log())

    def test_stay_finite_where_the_probability_rounds_to_1(self) -> None:
        assert float(margin(torch.tensor([200.0, 0.0, 0.0]), torch.tensor(0))) == pytest.approx(
            200 - np.log(2)
        )

    def test_of_one_class_are_refused(self) -> None:
        with pytest.raises(ClbenchError, match="two classes"):
            margin(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))


SIZES = {"a": 30, "b": 12}


class TestProjection:
    def test_up_is_the_transpose_of_down(self) -> None:
        projection = Projection(SIZES, 8, seed=0)
        matrix = projection.down(torch.eye(42))
        assert torch.equal(projection.up(torch.eye(8)[3]), matrix[:, 3])
        assert (matrix != 0).sum(1).eq(1).all()

    def test_inner_products_are_kept_in_expectation(self) -> None:
        one, two = torch.randn(2, 1, 42, generator=torch.Generator().manual_seed(0))
        maps = [Projection(SIZES, 16, seed) for seed in range(400)]
        found = torch.cat([(m.down(one) * m.down(two)).sum(1) for m in maps])
        expected = float((one * two).sum())
        assert float(found.mean()) == pytest.approx(expected, abs=4 * float(found.std()) / 20)

    def test_rows_that_a_parameter_gains_leave_the_others_as_they_are(self) -> None:
        before, after = Projection({"a": 30, "b": 12}, 8, 0), Projection({"a": 40, "b": 12}, 8, 0)
        old, new = before.down(torch.eye(42)), after.down(torch.eye(52))
        assert torch.equal(old, torch.cat([new[:30], new[40:]]))

    def test_with_dimensions_enough_nothing_is_projected(self) -> None:
        rows = torch.randn(3, 42)
        assert torch.equal(Projection(SIZES, 42, 0).down(rows), rows)
        assert torch.equal(Projection(SIZES, 99, 0).up(rows[0]), rows[0])


@pytest.mark.parametrize("make", [vectors, images])
class TestGradients:
    def test_of_margins_are_those_of_single_samples(self, make: object) -> None:
        model, x, y = make()  # type: ignore[operator]
        rows = [*Gradients(model).of(margin, x, y)]
        assert model.training
        model.eval()
        expected = torch.stack(
            [one_by_one(model, margin(model(x[i : i + 1])[0], y[i])) for i in range(len(x))]
        )
        assert torch.allclose(torch.cat([g for g, _ in rows]), expected)
        assert torch.allclose(torch.cat([m for _, m in rows]), margin(model(x), y))

    def test_of_logits_are_those_of_single_samples(self, make: object) -> None:
        model, x, _ = make()  # type: ignore[operator]
        found = torch.cat([*Gradients(model).of_logits(x)])
        model.eval()
        for i, c in ((0, 0), (5, 2)):
            assert torch.allclose(found[i, c], one_by_one(model, model(x[i : i + 1])[0, c]))

    def test_along_a_direction_also_where_evidence_is_recorded(self, make: object) -> None:
        model, x, _ = make()  # type: ignore[operator]
        gradients = Gradients(model)
        direction = torch.randn(sum(gradients.sizes.values())).double()
        expected = torch.cat([*gradients.of_logits(x)]) @ direction
        assert torch.allclose(gradients.along(x, direction), expected)
        with torch.inference_mode():
            assert torch.allclose(gradients.along(x * 1, direction), expected)


class TestLogisticRegression:
    """Two classes and a linear network, where all that TRAK approximates is known."""

    PENALTY = 0.3

    def data(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(2)
        x = torch.randn(25, 3, generator=generator).double()
        y = (x[:, 0] + torch.randn(25, generator=generator) > 0).long()
        queries = torch.randn(4, 3, generator=generator).double()
        return x, y, queries, torch.tensor([0, 1, 1, 0])

    def trained(self, weight: Tensor) -> nn.Linear:
        """The minimum of sum_i w_i loss_i + penalty/2 |theta|^2, by Newton's steps."""
        x, y, _, _ = self.data()
        theta = torch.zeros(8).double()

        def loss(theta: Tensor) -> Tensor:
            logits = x @ theta[:6].view(2, 3).T + theta[6:]
            losses = nn.functional.cross_entropy(logits, y, reduction="none")
            return (weight * losses).sum() + self.PENALTY / 2 * theta.square().sum()

        for _ in range(12):
            hessian = torch.autograd.functional.hessian(loss, theta)
            gradient = torch.autograd.functional.jacobian(loss, theta)
            theta = theta - torch.linalg.solve(hessian, gradient)
        model = nn.Linear(3, 2).double()
        with torch.no_grad():
            model.weight.copy_(theta[:6].view(2, 3))
            model.bias.copy_(theta[6:])
        return model

    def features(self) -> tuple[Tensor, Tensor, Tensor]:
        """By hand: gradients of margins of samples and queries, and p of samples."""
        x, y, queries, labels = self.data()
        model = self.trained(torch.ones(25).double())

        def by_hand(x: Tensor, y: Tensor) -> Tensor:
            sign, with_bias = 2 * y - 1, torch.cat([x, torch.ones(len(x), 1).double()], 1)
            up = sign[:, None] * with_bias
            return torch.cat([-up[:, :3], up[:, :3], -up[:, 3:], up[:, 3:]], 1)

        p = model(x).detach().softmax(1).gather(1, y[:, None])[:, 0]
        return by_hand(x, y), by_hand(queries, labels), p

    def test_it_is_the_formula(self) -> None:
        x, y, queries, labels = self.data()
        phi, asked, p = self.features()
        kernel = phi.T @ phi
        kernel += 0.01 * kernel.diagonal().mean() * torch.eye(8)
        expected = (phi @ torch.linalg.inv(kernel) @ asked.T) * (1 - p)[:, None]
        model = self.trained(torch.ones(25).double())
        found = trak_scores([model], (x, y), queries, labels, damping=0.01)
        assert torch.allclose(found[:, :, 0], expected)

    def test_with_weights_it_is_what_training_with_a_sample_more_or_less_does(self) -> None:
        """The influence function of logistic regression: derivatives of retrained margins."""
        x, y, queries, labels = self.data()
        phi, _, p = self.features()
        damping = self.PENALTY / float((phi.square() * (p * (1 - p))[:, None]).sum(0).mean())
        model = self.trained(torch.ones(25).double())
        found = trak_scores([model], (x, y), queries, labels, damping=damping, weighted=True)
        step = 1e-5
        for i in (0, 11, 24):
            margins = []
            for sign in (1, -1):
                weight = torch.ones(25).double()
                weight[i] += sign * step
                margins.append(margin(self.trained(weight)(queries), labels))
            slope = (margins[0] - margins[1]) / (2 * step)
            assert torch.allclose(found[i, :, 0], slope, atol=1e-6)

    def test_without_weights_it_is_too_small(self) -> None:
        """As published: an order like that of the influences, at another scale."""
        x, y, queries, labels = self.data()
        model = self.trained(torch.ones(25).double())
        published, influences = (
            trak_scores([model], (x, y), queries, labels, damping=0.1, weighted=weighted)
            for weighted in (False, True)
        )
        assert published.abs().mean() < 0.5 * influences.abs().mean()
        both = torch.stack([published.ravel(), influences.ravel()])
        assert float(torch.corrcoef(both)[0, 1]) > 0.75

    def test_logits_of_a_query_differ_by_its_margin(self) -> None:
        x, y, queries, _ = self.data()
        model = self.trained(torch.ones(25).double())
        ones = torch.ones(4, dtype=torch.long)
        logits = trak_scores([model], (x, y), queries, damping=0.1)
        margins = trak_scores([model], (x, y), queries, ones, damping=0.1)
        assert torch.allclose(logits[:, :, 1] - logits[:, :, 0], margins[:, :, 0])


class TestScores:
    def test_of_several_models_are_the_mean_influence_times_the_mean_doubt(self) -> None:
        """As published; the mean of the models' scores would be another number."""
        one, x, y = vectors()
        torch.manual_seed(5)
        two = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
        alone = [trak_scores([m], (x, y), x[:4], damping=0.1, dimensions=99) for m in (one, two)]
        doubt = [1 - m(x).detach().softmax(1).gather(1, y[:, None]) for m in (one, two)]
        influence = sum(a / d[:, :, None] for a, d in zip(alone, doubt, strict=True)) / 2
        expected = influence * (sum(doubt) / 2)[:, :, None]
        found = trak_scores([one, two], (x, y), x[:4], damping=0.1, dimensions=99)
        assert torch.allclose(found, expected)
        assert not torch.allclose(found, sum(alone) / 2)

    def test_projected_they_approach_those_that_are_not(self) -> None:
        model, x, y = vectors()
        whole = trak_scores([model], (x, y), x[:4], damping=1.0, dimensions=39)
        gaps = []
        for dimensions in (4, 30):
            maps = [
                trak_scores([model], (x, y), x[:4], damping=1.0, dimensions=dimensions, seed=s)
                for s in range(10)
            ]
            gaps.append(float(torch.stack([(m - whole).square().mean() for m in maps]).mean()))
        assert gaps[1] < 0.5 * gaps[0]

    def test_a_kernel_without_an_inverse_is_refused(self) -> None:
        model, x, y = vectors()
        with pytest.raises(ClbenchError, match="set damping above 0"):
            trak_scores([model], (x, y), x[:4], dimensions=99)
