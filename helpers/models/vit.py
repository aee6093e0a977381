"""Vision transformers with small patches and a convolutional decoder, on timm's encoders.

ViT: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929. DeiT: Touvron et al. 2021,
https://arxiv.org/abs/2012.12877. Decoder: progressive upsampling, as in SETR (Zheng et al. 2021,
https://arxiv.org/abs/2012.15840, section 3.3).
"""

import timm
from torch import Tensor, nn

from helpers.models.blocks import conv_relu, pad_to_multiple
from helpers.models.pretrained import downloading

TOKEN = 4  # rows and columns of the pixels that one token stands for; 81 tokens for 36 x 36


class TransformerSegmenter(nn.Module):
    """A transformer over tokens of 4 x 4 pixels; two steps of transposed convolution lead back to pixels.

    Position embeddings are interpolated for images that are not 36 x 36.

    Parameters
    ----------
    encoder : name of a timm vision transformer.
    pretrained : begin with ImageNet's weights, shrunk to the small tokens by timm; needs the internet.
    options : passed to timm.

    Raises
    ------
    helpers.models.pretrained.DownloadError : the weights could not be downloaded.
    """

    def __init__(self, encoder: str, pretrained: bool = False, **options):
        super().__init__()
        with downloading(encoder, pretrained):
            self.encoder = timm.create_model(
                encoder,
                pretrained,
                img_size=36,
                patch_size=TOKEN,
                in_chans=1,
                num_classes=0,
                dynamic_img_size=True,
                **options,
            )
        self.up2 = nn.ConvTranspose2d(self.encoder.embed_dim, 64, 2, stride=2)
        self.decoder2 = conv_relu(64, 64)
        self.up1 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.decoder1 = conv_relu(32, 32)
        self.head = nn.Conv2d(32, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 4."""
        height, width = images.shape[-2:]
        x = pad_to_multiple(images, TOKEN)
        rows, columns = x.shape[-2] // TOKEN, x.shape[-1] // TOKEN
        x = self.encoder.forward_features(x)[:, self.encoder.num_prefix_tokens :]  # (N, rows * columns, C)
        x = x.transpose(1, 2).unflatten(2, (rows, columns))  # (N, C, H/4, W/4)
        x = self.decoder2(self.up2(x))  # (N, 64, H/2, W/2)
        x = self.decoder1(self.up1(x))  # (N, 32, H, W)
        return self.head(x)[..., :height, :width]


def vit(pretrained: bool = False) -> TransformerSegmenter:
    """ViT-Tiny: 12 layers, 192 channels, 3 heads."""
    return TransformerSegmenter("vit_tiny_patch16_224", pretrained)


def deit(pretrained: bool = False) -> TransformerSegmenter:
    """DeiT-Tiny: ViT-Tiny with a distillation token, trained with stochastic depth of 0.1.

    We have no teacher to distil from, so from scratch the token is one more learned input to all others.
    """
    return TransformerSegmenter("deit_tiny_distilled_patch16_224", pretrained, drop_path_rate=0.1)
