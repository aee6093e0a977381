"""Vision transformers with small patches and a convolutional decoder, on timm's encoders.

ViT: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929. DeiT: Touvron et al. 2021,
https://arxiv.org/abs/2012.12877. Decoder: progressive upsampling, as in SETR (Zheng et al. 2021,
https://arxiv.org/abs/2012.15840, section 3.3).
"""

import timm
import torch
from torch import Tensor, nn

from helpers.config import PATCH_SIZE
from helpers.losses import bce
from helpers.models.blocks import conv_relu, pad_to_multiple
from helpers.models.pretrained import downloading

TOKEN = 4  # rows and columns of the pixels that one token stands for; 81 tokens for 36 x 36


class TransformerSegmenter(nn.Module):
    """A transformer over tokens of 4 x 4 pixels; two steps of transposed convolution lead back to pixels.

    Position embeddings are interpolated for images that are not 36 x 36.

    encoder : name of a timm vision transformer. options : passed to timm.
    pretrained : begin with ImageNet's weights, shrunk to the small tokens by timm; see `downloading`.
    """

    def __init__(self, encoder: str, pretrained: bool = False, **options):
        super().__init__()
        with downloading(encoder, pretrained):
            tokens = {"img_size": PATCH_SIZE, "patch_size": TOKEN, "dynamic_img_size": True}
            self.encoder = timm.create_model(
                encoder, pretrained, in_chans=1, num_classes=0, **tokens, **options
            )
        self.up2 = nn.ConvTranspose2d(self.encoder.embed_dim, 64, 2, stride=2)
        self.decoder2 = conv_relu(64, 64)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = conv_relu(32, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 4."""
        return self.head(self.decode(self.tokens(images), images.shape[-2:]))

    def tokens(self, images: Tensor) -> Tensor:
        """(N, T, C): the encoder's prefix tokens, then one for each 4 x 4 pixels, row by row."""
        return self.encoder.forward_features(pad_to_multiple(images, TOKEN))

    def decode(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(N, 32, H, W) features for pixels from the tokens of places."""
        rows, columns = (-(-side // TOKEN) for side in size)
        x = tokens[:, self.encoder.num_prefix_tokens :]  # (N, rows * columns, C)
        x = x.transpose(1, 2).unflatten(2, (rows, columns))  # (N, C, H/4, W/4)
        x = self.decoder2(self.up2(x))  # (N, 64, H/2, W/2)
        x = self.decoder1(self.up1(x))  # (N, 32, H, W)
        return x[..., : size[0], : size[1]]


class DistilledSegmenter(TransformerSegmenter):
    """DeiT's distillation for masks: one head learns the labels, the other what a teacher makes of the image.

    In the paper the class token answers for the label and the distillation token for the teacher. A mask has
    an answer a pixel, so here each of the two tokens is added to the tokens of all places before its own
    reading by the shared decoder. Hard distillation (equation 3): half the loss is that against the labels,
    half BCE against the teacher's mask. The prediction is the mean of both heads' logits.

    The teacher is no part of the model: it is not saved with it. Without one, as after resuming, the second
    head learns the labels too.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.teacher_head = nn.Conv2d(32, 1, 1)
        self.teachers: list[nn.Module] = []  # in a list, so that it is not registered as a part

    def teach(self, teacher: nn.Module) -> None:
        """Learn from this trained network, on the same device, from now on."""
        self.teachers = [teacher.eval()]

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor | None]:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 4.

        In training the logits of both heads, and the teacher's mask, or None.
        """
        tokens = self.tokens(images)
        of_label, of_teacher = (
            head(self.decode(tokens + tokens[:, [place]], images.shape[-2:]))
            for place, head in enumerate((self.head, self.teacher_head))
        )
        if not self.training:
            return (of_label + of_teacher) / 2
        with torch.no_grad():
            taught = self.teachers[0](images) >= 0 if self.teachers else None
        return of_label, of_teacher, taught

    def training_loss(self, outputs: Tensor | tuple, masks: Tensor) -> Tensor:
        """The distillation's loss of what `forward` gives in training; else BCE."""
        if isinstance(outputs, Tensor):
            return bce(outputs, masks)
        of_label, of_teacher, taught = outputs
        return (bce(of_label, masks) + bce(of_teacher, masks if taught is None else taught)) / 2


def vit(pretrained: bool = False) -> TransformerSegmenter:
    """Vision transformer for masks.

    As published: an image becomes tokens, which 12 layers of attention work on, with learned positions.
    Smaller: ViT-Tiny, 192 channels and 3 heads, where the paper's smallest has 768 and 12. Other: tokens of
    4 x 4 pixels instead of 16 x 16, one grey channel, and a decoder, since the paper classifies images.
    """
    return TransformerSegmenter("vit_tiny_patch16_224", pretrained)


def deit(pretrained: bool = False) -> DistilledSegmenter:
    """Vision transformer that learns from a teacher too.

    As published: DeiT-Tiny, with a distillation token, two heads, hard distillation and stochastic depth of
    0.1. Smaller: the teacher is the project's U-Net, not a RegNetY of 84 million weights; of the paper's
    augmentations none. Other: see `vit` and `DistilledSegmenter`.
    """
    return DistilledSegmenter("deit_tiny_distilled_patch16_224", pretrained, drop_path_rate=0.1)
