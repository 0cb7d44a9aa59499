import numpy as np
import pytest
import torch
from torch.nn import functional as F

from srcnn.data.imresize import bicubic_upscale
from srcnn.networks import SRCNN
from srcnn.networks.network import crop
from tests.support.models import perturbed


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=generator(seed))


def trained(**options):
    return perturbed(SRCNN(2, generator=generator(), **options))


@pytest.mark.parametrize("residual", [True, False])
def test_forward_is_the_papers_three_convolutions_on_the_bicubic(residual):
    model = trained(kernels=(5, 3, 3), channels=(6, 4), residual=residual)
    lr = pictures(2, 1, 12, 15)
    x = torch.from_numpy(np.stack([bicubic_upscale(p[0].numpy(), 2)[None] for p in lr])).float()
    padded = F.pad(x, [4] * 4, mode="replicate")

    features = F.conv2d(padded, model.extract.weight, model.extract.bias).relu()
    features = F.conv2d(features, model.map.weight, model.map.bias).relu()
    expected = F.conv2d(features, model.reconstruct.weight, model.reconstruct.bias)

    torch.testing.assert_close(model(lr), expected + x if residual else expected)


def test_bfloat16_is_close_and_still_gives_float32():
    model, lr = trained(kernels=(9, 5, 5)), pictures(2, 1, 30, 21)
    exact, rounded = model.patch(lr), model.patch(lr, bfloat16=True)
    assert rounded.dtype == torch.float32
    error = (rounded - exact).abs().max()
    assert 0 < error < 0.02 * (exact - crop(model.bicubic(lr), 8)).abs().max()


def test_gradients_are_those_of_the_plain_convolutions():
    model = trained(kernels=(5, 3, 3), channels=(3, 2)).double()
    lr = pictures(1, 1, 9, 10).double()
    assert torch.autograd.gradcheck(lambda *_: model.patch(lr), tuple(model.parameters()))


def test_initial_weights_come_from_the_generator():
    first, again, other = (SRCNN(2, generator=generator(seed)) for seed in (1, 1, 2))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.map.weight, other.map.weight)
