import math

import pytest
import torch

from srcnn.networks import SRCNN, build
from srcnn.networks.srresnet import SRResNet
from srcnn.training.optim import (
    Muon,
    Optimization,
    build_optimizers,
    orthogonalise,
    schedule,
)


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


def test_orthogonalise_ignores_the_length_and_keeps_zero():
    matrix = normal(8, 20)
    torch.testing.assert_close(
        orthogonalise(matrix), orthogonalise(1e-3 * matrix), atol=1e-3, rtol=0
    )
    assert torch.equal(orthogonalise(torch.zeros(4, 6)), torch.zeros(4, 6))


@pytest.mark.parametrize("shape", [(6, 2, 3, 3), (8, 1, 1, 2)])
def test_muon_steps_along_the_orthogonalised_nesterov_momentum(shape):
    kernel = torch.nn.Parameter(normal(*shape))
    optimizer = Muon([kernel], lr=0.1, momentum=0.9)
    expected, momentum = kernel.detach().clone(), torch.zeros(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    for step in range(3):
        gradient = normal(*shape, seed=10 + step)
        kernel.grad = gradient.clone()
        optimizer.step()

        momentum = 0.9 * momentum + 0.1 * gradient
        nesterov = 0.1 * gradient + 0.9 * momentum
        update = orthogonalise(nesterov.reshape(rows, columns)).reshape(shape)
        expected = expected - 0.1 * max(1, rows / columns) ** 0.5 * update
        torch.testing.assert_close(kernel.detach(), expected)


def test_kernels_of_one_shape_are_trained_as_each_alone():
    kernels = [torch.nn.Parameter(normal(4, 2, 3, 3, seed=seed)) for seed in range(3)]
    alone = [torch.nn.Parameter(kernel.detach().clone()) for kernel in kernels]
    kernels.append(torch.nn.Parameter(normal(3, 1, 2, 2)))  # without gradient: left alone
    before = kernels[-1].detach().clone()
    optimizers = [Muon(kernels), *(Muon([kernel]) for kernel in alone)]
    for seed, (kernel, single) in enumerate(zip(kernels, alone, strict=False)):
        kernel.grad = single.grad = normal(4, 2, 3, 3, seed=10 + seed)
    for optimizer in optimizers:
        optimizer.step()
    for kernel, single in zip(kernels, [*alone, before], strict=True):
        torch.testing.assert_close(kernel, single)


@pytest.mark.parametrize("name", ["muon", "adam", "adamw", "sgd"])
def test_every_parameter_has_exactly_one_optimizer(name):
    model = SRCNN(2)
    optimizers = build_optimizers(model, Optimization(name))
    trained = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    assert sorted(map(id, trained)) == sorted(map(id, model.parameters()))


def test_settings_reach_the_optimizers():
    model = SRCNN(2)
    muon, adam = build_optimizers(model, Optimization("muon", 0.003, 0.04, 0.9))
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
