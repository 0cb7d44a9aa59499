import pytest
import torch
from torch.nn import functional as F

from srcnn.networks.convolution import to_one_channel


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_convolution_with_its_gradients(k, memory_format):
    features, weight = normal(2, 4, 9, 7), normal(1, 4, k, k, seed=1)
    results = []
    for convolve in (to_one_channel, F.conv2d):
        f = features.clone(memory_format=memory_format).requires_grad_()
        w = weight.clone().requires_grad_()
        result = convolve(f, w)
        (result**2).sum().backward()
        results.append((result, f.grad, w.grad))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected)
