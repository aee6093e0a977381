"""U-Net with a VGG16 encoder, after TernausNet (Iglovikov and Shvets 2018, https://arxiv.org/abs/1801.05746).

VGG16: Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556.
"""

from torch import Tensor, nn
from torchvision.models import VGG16_BN_Weights, vgg16_bn

from helpers.models.blocks import conv_relu, pad_to_multiple, stack
from helpers.models.pretrained import downloading


class VGG16UNet(nn.Module):
    """The first three of VGG16's five stages, with batch norm (36 -> 18 -> 9), and a U-Net decoder.

    The deeper stages would see a patch as 4 x 4 and 2 x 2 pixels, with 13 million weights.

    pretrained : begin with weights learned on ImageNet, the red, green and blue ones of the first layer added
        up; see `helpers.models.pretrained.downloading`.
    """

    def __init__(self, pretrained: bool = False):
        super().__init__()
        with downloading("vgg16_unet", pretrained):
            vgg = vgg16_bn(weights=VGG16_BN_Weights.IMAGENET1K_V1 if pretrained else None).features
        first = nn.Conv2d(1, 64, 3, padding=1)
        if pretrained:
            first.weight.data, first.bias.data = vgg[0].weight.data.sum(1, keepdim=True), vgg[0].bias.data
        self.encoder1 = nn.Sequential(first, *vgg[1:6])  # two convolutions
        self.encoder2 = vgg[6:13]  # pooling, two convolutions
        self.encoder3 = vgg[13:23]  # pooling, three convolutions
        self.up2 = nn.ConvTranspose2d(256, 128, 2, stride=2)
        self.decoder2 = conv_relu(128 + 128, 128)
        self.up1 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.decoder1 = conv_relu(64 + 64, 64)
        self.head = nn.Conv2d(64, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W of at least 5."""
        height, width = images.shape[-2:]
        skip1 = self.encoder1(pad_to_multiple(images, 4))  # (N, 64, H, W)
        skip2 = self.encoder2(skip1)  # (N, 128, H/2, W/2)
        x = self.encoder3(skip2)  # (N, 256, H/4, W/4)
        x = self.decoder2(stack(self.up2(x), skip2))  # (N, 128, H/2, W/2)
        x = self.decoder1(stack(self.up1(x), skip1))  # (N, 64, H, W)
        return self.head(x)[..., :height, :width]
