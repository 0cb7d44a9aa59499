import math

import pytest
import torch

from srcnn.networks import SRCNN, build
from srcnn.networks.srresnet import SRResNet
from srcnn.training.optim import Muon, Optimization, build_optimizers, orthogonalise, schedule


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(32, 64), (64, 81), (64, 20), (5, 5)])
def test_orthogonalise_brings_singular_values_near_one(shape):
    matrix = normal(*shape) @ torch.diag(torch.linspace(0.1, 3.0, shape[1]))
    u, before, v = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalise(matrix)

    values = torch.diagonal(u.T @ result @ v.T)  # in the basis of the matrix itself
    assert result.shape == shape
    # The bound of the quintic holds for singular values above 1 % of the Frobenius norm.
    large = before > 0.01 * before.norm()
    assert large.sum() >= 0.8 * len(before)
    assert values[large].min() > 0.65
    assert values.max() < 1.25
    torch.testing.assert_close(orthogonalise(1e-3 * matrix), result, atol=1e-3, rtol=0)
    assert torch.equal(orthogonalise(torch.zeros(shape)), torch.zeros(shape))


def test_muon_steps_each_kernel_along_its_orthogonalised_nesterov_momentum():
    shapes = [(6, 2, 3, 3), (6, 2, 3, 3), (8, 1, 1, 2)]
    kernels = [torch.nn.Parameter(normal(*shape, seed=i)) for i, shape in enumerate(shapes)]
    without_gradient = torch.nn.Parameter(normal(6, 2, 3, 3, seed=3))
    optimizer = Muon([*kernels, without_gradient], lr=0.1, momentum=0.9)
    expected = [kernel.detach().clone() for kernel in kernels]
    momenta = [torch.zeros(shape) for shape in shapes]
    for step in range(3):
        for i, shape in enumerate(shapes):
            gradient = kernels[i].grad = normal(*shape, seed=10 * step + i)
            momenta[i] = 0.9 * momenta[i] + 0.1 * gradient
            nesterov = 0.1 * gradient + 0.9 * momenta[i]
            matrix = nesterov.flatten(1)
            length = 0.1 * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
            expected[i] -= length * orthogonalise(matrix).reshape(shape)
        optimizer.step()
        for kernel, wanted in zip(kernels, expected, strict=True):
            torch.testing.assert_close(kernel.detach(), wanted)
    assert torch.equal(without_gradient, normal(6, 2, 3, 3, seed=3))


def test_settings_reach_the_optimizers_and_every_parameter_has_one():
    model = SRCNN(2)
    muon, adam = build_optimizers(model, Optimization("muon", 0.003, 0.04, 0.9))
    trained = [p for each in (muon, adam) for p in each.param_groups[0]["params"]]
    assert sorted(map(id, trained)) == sorted(map(id, model.parameters()))
    assert (muon.defaults["lr"], muon.defaults["momentum"]) == (0.04, 0.9)
    deep, _ = build_optimizers(build("srresnet", 2, {}), Optimization("muon", 0.003, 0.04))
    assert deep.defaults["lr"] == 0.04 * SRResNet.muon_factor == 0.02
    assert adam.defaults["lr"] == 0.003
    (sgd,) = build_optimizers(model, Optimization("sgd", 0.1, momentum=0.8, weight_decay=0.01))
    assert [sgd.defaults[key] for key in ("lr", "momentum", "weight_decay")] == [0.1, 0.8, 0.01]
    (adamw,) = build_optimizers(model, Optimization("adamw", 0.1, weight_decay=0.02))
    assert adamw.defaults["weight_decay"] == 0.02


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'lion'; allowed are muon, adam, adamw, sgd"):
        build_optimizers(SRCNN(2), Optimization("lion"))
    with pytest.raises(ValueError, match="'step'; allowed are one-cycle, cosine, constant"):
        schedule("step", 50, 100, warmup=0.1)


LINEAR = [0.2, 0.4, 0.6, 0.8]  # a fifth of the way up after each of 4 steps


@pytest.mark.parametrize(
    ("name", "rise"),
    [
        ("constant", LINEAR),
        ("cosine", LINEAR),
        ("one-cycle", [1 - 24 / 25 * (1 + math.cos(math.pi * part)) / 2 for part in LINEAR]),
    ],
)
def test_the_rate_rises_over_the_warm_up_and_falls_as_half_a_cosine(name, rise):
    fall = [1 if name == "constant" else (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    assert [schedule(name, step, 8, 0.5) for step in range(8)] == pytest.approx(rise + fall)
    assert schedule(name, 0, 10, warmup=0.0) == 1
