"""A transform against one failure: grooves too faint to be found (see notebook 06)."""

import torch
import torch.nn.functional as F

from helpers.transforms import BatchTransform


class FadeGrooves(BatchTransform):
    """Make the grooves of training images fainter: inside the mask, values move towards 0 by a random share.

    Thickness is the deviation from each row's mean, so sound wall is near 0 and a groove below it. The edge
    of the mask is softened by a pixel, or the network would learn the edge. Masks stay as they are.

    most : largest share of its depth that a groove loses. p : probability for each sample.
    """

    def __init__(self, most: float = 0.7, p: float = 0.5):
        super().__init__()
        self.most, self.p = most, p

    def draw(self, n, height, width):
        chosen, share = torch.rand(2, n)
        return {"share": self.most * share * (chosen < self.p)}

    def apply(self, image, mask, share):
        soft = F.avg_pool2d(F.pad(mask, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return image * (1 - share[:, None, None, None] * soft), mask
