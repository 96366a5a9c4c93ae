"""The network: heads that grow, precision, layout, and modes that are put back."""

import pytest
import torch
from torch import nn

from clbench import state
from clbench.method import Network, Space, evaluating

CPU = torch.device("cpu")
IMAGES = Space((3, 8, 8), CPU)


def grown(backbone: str = "convnet,width=8,depth=2", n_classes: int = 3) -> Network:
    torch.manual_seed(0)
    network = Network(backbone, IMAGES)
    network.grow(n_classes)
    return network


X = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class TestGrowing:
    def test_a_new_network_knows_no_class(self) -> None:
        network = Network("mlp", IMAGES)
        assert network.n_classes == 0
        assert network(X).shape == (5, 0)

    def test_old_logits_stay_as_they_are_to_the_last_bit(self) -> None:
        network = grown(n_classes=3)
        before = network(X)
        rows = network.head.weight.clone(), network.head.bias.clone()
        network.grow(7)
        assert network.n_classes == 7
        assert torch.equal(network.head.weight[:3], rows[0])
        assert torch.equal(network.head.bias[:3], rows[1])
        torch.testing.assert_close(network(X)[:, :3], before, rtol=0, atol=1e-6)

    def test_new_rows_are_drawn_as_a_layer_of_the_full_width_is(self) -> None:
        network = grown(n_classes=0)
        torch.manual_seed(3)
        network.grow(4)
        torch.manual_seed(3)
        fresh = nn.Linear(network.head.in_features, 4)
        assert torch.equal(network.head.weight, fresh.weight)
        assert torch.equal(network.head.bias, fresh.bias)

    @pytest.mark.parametrize("n_classes", [0, 2, 3])
    def test_it_never_shrinks_and_draws_nothing_in_vain(self, n_classes: int) -> None:
        network = grown(n_classes=3)
        head, seed = network.head, torch.get_rng_state()
        network.grow(n_classes)
        assert network.head is head
        assert torch.equal(torch.get_rng_state(), seed)

    def test_a_head_keeps_its_type(self) -> None:
        network = grown().double()
        network.grow(5)
        assert network.head.weight.dtype == torch.float64

    def test_loading_grows_the_head(self) -> None:
        network, copy = grown(n_classes=6), Network("convnet,width=8,depth=2", IMAGES)
        carried = state.pack({"model": network.state_dict()})
        copy.load_state_dict(state.unpack(carried, CPU)["model"])
        assert copy.n_classes == 6
        assert torch.equal(copy(X), network(X))


class TestFrozenCopy:
    def test_it_answers_as_the_network_did_and_is_independent(self) -> None:
        network = grown()
        before = network(X).detach()
        teacher = network.frozen_copy()
        with torch.no_grad():
            for p in network.parameters():
                p.zero_()
        network.grow(9)
        assert torch.equal(teacher(X), before)
        assert teacher.n_classes == 3

    def test_it_does_not_learn(self) -> None:
        teacher = grown().frozen_copy()
        assert not any(p.requires_grad for p in teacher.parameters())
        assert not any(part.training for part in teacher.modules())
        assert not teacher(X).requires_grad

    def test_the_network_still_does(self) -> None:
        network = grown()
        network.frozen_copy()
        assert all(p.requires_grad for p in network.parameters())
        assert all(part.training for part in network.modules())


class TestPrecision:
    def test_bfloat16_gives_float32_that_is_slightly_off(self) -> None:
        exact = grown()
        rough = Network("convnet,width=8,depth=2", Space((3, 8, 8), CPU, "bfloat16"))
        rough.load_state_dict(exact.state_dict())
        for one, two in ((exact(X), rough(X)), (exact.embed(X), rough.embed(X))):
            assert two.dtype == torch.float32
            assert 0 < float((one - two).detach().abs().max()) < 0.05
        assert all(p.dtype == torch.float32 for p in rough.parameters())

    def test_float32_is_left_alone(self) -> None:
        network = grown()
        torch.testing.assert_close(network(X), network.head(network.backbone(X)), rtol=0, atol=0)


def test_the_layout_of_memory_does_not_change_answers() -> None:
    network = grown()
    before = network(X)
    plain = network.to(memory_format=torch.contiguous_format)(X)
    torch.testing.assert_close(before, plain, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        network(X.to(memory_format=torch.channels_last)), plain, rtol=1e-5, atol=1e-6
    )


def test_the_head_sees_the_embedding() -> None:
    network = grown()
    assert network.embed(X).shape == (5, network.backbone.num_features)
    assert torch.equal(network.head(network.embed(X)), network(X))


class TestEvaluating:
    def mixed(self) -> nn.Module:
        model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2)))
        model[1][1].eval()
        return model

    def modes(self, model: nn.Module) -> list[bool]:
        return [part.training for part in model.modules()]

    def test_a_mixed_tree_of_modes_is_put_back(self) -> None:
        model = self.mixed()
        before = self.modes(model)
        with evaluating(model):
            assert not any(self.modes(model))
            assert not torch.is_grad_enabled()
        assert self.modes(model) == before == [True, True, True, True, False]
        assert torch.is_grad_enabled()

    def test_also_after_an_error(self) -> None:
        model = self.mixed()
        before = self.modes(model)
        with pytest.raises(KeyError), evaluating(model):
            raise KeyError
        assert self.modes(model) == before
        assert torch.is_grad_enabled()

    def test_it_nests(self) -> None:
        model = self.mixed()
        before = self.modes(model)
        with evaluating(model):
            with evaluating(model):
                pass
            assert not any(self.modes(model))
            assert not torch.is_grad_enabled()
        assert self.modes(model) == before
