"""Residual and plain networks: their sizes, their blocks, and one block against plain NumPy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from posts.resnet.model import Block, PaddedIdentity, ResNet, initialise

COUNTS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}
torch.set_num_threads(1)


def network(depth: int = 8, seed: int = 0, width: int = 4, **options) -> ResNet:
    zero_last = options.pop("zero_last", False)
    return initialise(ResNet(depth, width, **options), torch.Generator().manual_seed(seed), zero_last)


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("depth", "parameters"), COUNTS.items())
def test_published_depths_have_the_exact_parameter_counts(depth, parameters):
    assert count(ResNet(depth)) == parameters
    weighted = [m for m in ResNet(depth).modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))]
    assert len(weighted) == depth


def test_projections_cost_their_own_parameters_and_nothing_else():
    assert count(ResNet(20, option="B")) == COUNTS[20] + (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)


def test_another_depth_is_refused_with_the_nearest():
    for depth, nearest in ((21, 20), (24, 26), (2, 8)):
        with pytest.raises(ValueError, match=f"depth {depth} .* nearest is {nearest}"):
            ResNet(depth)


def test_plain_and_residual_networks_share_names_shapes_and_first_weights():
    plain, residual = network(alpha=0.0), network()
    assert [name for name, _ in plain.named_parameters()] == [name for name, _ in residual.named_parameters()]
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, residual.state_dict()[name]), name
    x = torch.randn(2, 3, 8, 8)
    assert not torch.allclose(plain(x), residual(x))
    residual.load_state_dict(plain.state_dict())
    for block in residual.blocks:
        assert isinstance(block, Block)
        block.alpha = 0.0
    assert torch.equal(plain(x), residual(x))  # α is all that tells them apart


def test_projections_leave_the_first_weights_of_all_others_as_they_are():
    theirs = network(option="B").state_dict()
    for name, tensor in network().state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


def test_option_a_takes_every_second_pixel_and_pads_channels_with_zeros():
    x = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4)
    y = PaddedIdentity(3, 6, 2)(x)
    assert y.shape == (2, 6, 2, 2)
    for b, c, i, j in np.ndindex(2, 3, 2, 2):
        assert y[b, c, i, j] == x[b, c, 2 * i, 2 * j]
    assert not y[:, 3:].any()
    assert PaddedIdentity(3, 3, 1)(x) is x


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_a_block_whose_last_norm_is_zero_is_its_rectified_shortcut(stride, alpha):
    block = Block(4, 4 * stride, stride, alpha)
    torch.nn.init.zeros_(block.norm2.weight)
    x = torch.randn(3, 4, 6, 6)
    assert torch.equal(block(x), F.relu(alpha * block.shortcut(x)))
    torch.nn.init.ones_(block.norm2.weight)
    assert not torch.allclose(block(x), F.relu(alpha * block.shortcut(x)))


def test_zero_last_makes_every_block_begin_as_its_shortcut():
    x = torch.randn(2, 3, 8, 8)
    begun = network(zero_last=True)
    first = F.relu(begun.norm(begun.conv(x)))
    assert torch.equal(begun.features(x)[:, :4], first[:, :, ::4, ::4])
    assert not torch.allclose(network().features(x)[:, :4], first[:, :, ::4, ::4])


def test_first_weights_have_the_spread_of_he_et_al():
    model = network(width=32)
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            expected = (2 / module.weight[0].numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.08)
    assert not model.classify.bias.any()


@pytest.mark.parametrize("options", [{}, {"alpha": 0.0}, {"alpha": 0.5}, {"option": "B"}])
def test_every_parameter_gets_a_gradient(options):
    model = network(14, **options)
    F.cross_entropy(model(torch.randn(16, 3, 8, 8)), torch.arange(16) % 10).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


# One block in NumPy: convolutions as loops over the nine places of a kernel, gradients by hand.


def convolution(x, w, stride):
    """x (B, C, H, W), w (D, C, 3, 3), padding 1."""
    b, _, height, width = x.shape
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((b, len(w), height // stride, width // stride))
    for i, j in np.ndindex(3, 3):
        seen = framed[:, :, i : i + height : stride, j : j + width : stride]
        y += np.einsum("bchw,dc->bdhw", seen, w[:, :, i, j])
    return y


def convolution_backward(x, w, stride, dy):
    _, _, height, width = x.shape
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    dframed, dw = np.zeros_like(framed), np.zeros_like(w)
    for i, j in np.ndindex(3, 3):
        at = (slice(None), slice(None), slice(i, i + height, stride), slice(j, j + width, stride))
        dw[:, :, i, j] = np.einsum("bdhw,bchw->dc", dy, framed[at])
        dframed[at] += np.einsum("bdhw,dc->bchw", dy, w[:, :, i, j])
    return dframed[:, :, 1:-1, 1:-1], dw


def norm(x, gamma, beta):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    hat = (x - mean) / np.sqrt(var + 1e-5)
    return gamma[:, None, None] * hat + beta[:, None, None], (hat, var)


def norm_backward(kept, gamma, dy):
    hat, var = kept
    dhat = dy * gamma[:, None, None]
    along = {"axis": (0, 2, 3), "keepdims": True}
    dx = (dhat - dhat.mean(**along) - hat * (dhat * hat).mean(**along)) / np.sqrt(var + 1e-5)
    return dx, (dy * hat).sum((0, 2, 3)), dy.sum((0, 2, 3))


def block_by_hand(x, p, stride, alpha, dout):
    """Output and gradients of equation 1 with option A, for an upstream gradient `dout`."""
    a = convolution(x, p["conv1.weight"], stride)
    n1, kept1 = norm(a, p["norm1.weight"], p["norm1.bias"])
    r = np.maximum(n1, 0)
    c = convolution(r, p["conv2.weight"], 1)
    n2, kept2 = norm(c, p["norm2.weight"], p["norm2.bias"])
    around = np.zeros_like(n2)
    around[:, : x.shape[1]] = x[:, :, ::stride, ::stride]
    summed = n2 + alpha * around

    dsummed = dout * (summed > 0)
    grads = {}
    dc, grads["norm2.weight"], grads["norm2.bias"] = norm_backward(kept2, p["norm2.weight"], dsummed)
    dr, grads["conv2.weight"] = convolution_backward(r, p["conv2.weight"], 1, dc)
    da, grads["norm1.weight"], grads["norm1.bias"] = norm_backward(kept1, p["norm1.weight"], dr * (n1 > 0))
    dx, grads["conv1.weight"] = convolution_backward(x, p["conv1.weight"], stride, da)
    dx[:, :, ::stride, ::stride] += alpha * dsummed[:, : x.shape[1]]
    return np.maximum(summed, 0), dx, grads


@pytest.mark.parametrize(("stride", "alpha"), [(1, 1.0), (2, 1.0), (1, 0.0), (2, 0.5)])
def test_a_block_equals_plain_numpy_in_output_and_every_gradient(stride, alpha):
    torch.manual_seed(3)
    block = Block(3, 3 * stride, stride, alpha).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(4, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    out = block(x)
    upstream = torch.randn_like(out)
    out.backward(upstream)
    by_hand = {name: parameter.detach().numpy() for name, parameter in block.named_parameters()}
    expected, dx, grads = block_by_hand(x.detach().numpy(), by_hand, stride, alpha, upstream.numpy())
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), dx, rtol=1e-8, atol=1e-10)
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), grads[name], rtol=1e-8, atol=1e-10, err_msg=name)
