"""The rival: the network and the recipe of the challenge's first place."""

import pytest
import rival
import torch


@pytest.fixture
def network() -> rival.RecurrentUNet:
    torch.manual_seed(0)
    return rival.RecurrentUNet().eval()


def test_it_has_as_many_parameters_as_first_place_s_network(network):
    assert sum(p.numel() for p in network.parameters()) == 38_264


def test_it_goes_around_the_pipe_and_sees_72_columns_as_two_of_36(network):
    images = torch.randn(2, 1, 30, 72)
    with torch.inference_mode():
        logits = network(images)
        for first in (0, 1):
            torch.testing.assert_close(logits[..., first::2], network(images[..., first::2]))
        moved = network(images[..., ::2].roll(4, 3))
        torch.testing.assert_close(moved, logits[..., ::2].roll(4, 3), rtol=1e-2, atol=5e-3)


def test_it_finds_a_groove_though_it_learned_from_a_section_that_is_mostly_empty():
    """Scaled by its own quartiles, which are equal there, such a section became so large that batch norm's
    running statistics were of it alone, and nothing was found outside training."""
    generator = torch.Generator().manual_seed(0)
    wells = {}
    for well, rows in ((3, 128), (4, 20)):
        mask = torch.zeros(rows, 36)
        mask[:, 10:14] = 1
        wells[well] = 0.01 * torch.randn(rows, 36, generator=generator) - 0.05 * mask, mask
    model = rival.train_rival(wells, epochs=40, seed=0, height=64).eval()
    image, mask = wells[3]
    with torch.inference_mode():
        found = model(image[None, None] / 0.02).sigmoid() >= 0.5
    assert (found[0, 0] == mask.bool()).float().mean() > 0.98


def test_its_loss_is_of_the_whole_batch_and_leaves_unknown_pixels_out():
    masks = torch.zeros(2, 1, 4, 36)
    masks[0, 0, :, 3:6] = 1  # the other section has no groove
    perfect = 100 * (masks - 0.5)
    assert rival.iou_focal(perfect, masks) < 1e-6
    assert rival.iou_focal(-perfect, masks) > 1
    masks[1, 0, 0] = torch.nan
    wrong = perfect.clone()
    wrong[1, 0, 0] = 50
    assert rival.iou_focal(wrong, masks) < 1e-6
