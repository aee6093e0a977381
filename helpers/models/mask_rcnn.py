"""Mask R-CNN (He et al. 2017, https://arxiv.org/abs/1703.06870), torchvision's: grooves as instances."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign, masks_to_boxes

from helpers.data.wells import label_grooves
from helpers.losses import bce
from helpers.models.pretrained import downloading

ZOOM = 2  # a groove is 2 to 5 pixels wide; the finest features have half the zoomed resolution
CHANNELS = 64  # of the feature pyramid and the heads; 256 in the paper, for photographs of 800 pixels


class AsIs(GeneralizedRCNNTransform):
    """Takes images as they come, where torchvision's would enlarge them to 800 pixels."""

    def resize(self, image, target=None):
        return image, target


class GrooveMaskRCNN(nn.Module):
    """Finds a box, a score and a mask for each groove, then merges the masks to one.

    Its instances are connected grooves, joined around the azimuth's wrap. A pixel's probability is that of
    the surest instance that covers it, the smaller of the instance's score and its mask there: so it
    reaches 0.5 only if instance and mask do.

    As published: backbone with a feature pyramid, proposals, and heads for class, box and mask, all trained
    together. Smaller: ResNet-18 without its last stage for ResNet-50 or -101, 64 channels for 256, a box head
    of 256 units for 1,024, two convolutions for four in the mask head, tens of proposals for thousands, and
    heads that read the finest level only. Other: the anchors are tall, as grooves are, and an image is
    enlarged twice, not to 800 pixels.

    It does not learn from a loss of its logits, which boxes and scores have passed on the way: in training
    `forward` gives the zoomed images, which `training_loss` takes.

    pretrained : begin with ImageNet's weights in the backbone; see `helpers.models.pretrained.downloading`.
    """

    def __init__(self, pretrained: bool = False):
        super().__init__()
        with downloading("mask_rcnn", pretrained):
            resnet = resnet18(weights=ResNet18_Weights.IMAGENET1K_V1 if pretrained else None)
        resnet.maxpool = nn.Identity()  # keeps the finest features at the patch's own 36 x 36
        # The stages layer1, layer2 and layer3, and a pooled level above them
        backbone = BackboneWithFPN(
            resnet, {"layer1": "0", "layer2": "1", "layer3": "2"}, [64, 128, 256], CHANNELS
        )
        sizes = ((10,), (20,), (40,), (80,))  # zoomed pixels, from the finest features up
        self.detector = MaskRCNN(
            backbone,
            rpn_anchor_generator=AnchorGenerator(sizes, ((1.0, 4.0, 10.0),) * len(sizes)),  # tall as grooves
            rpn_pre_nms_top_n_train=200,
            rpn_pre_nms_top_n_test=100,
            rpn_post_nms_top_n_train=64,
            rpn_post_nms_top_n_test=32,
            box_roi_pool=MultiScaleRoIAlign(["0"], output_size=7, sampling_ratio=2),
            box_head=TwoMLPHead(7 * 7 * CHANNELS, 256),
            box_predictor=FastRCNNPredictor(256, num_classes=2),
            box_batch_size_per_image=32,
            box_detections_per_img=20,
            mask_roi_pool=MultiScaleRoIAlign(["0"], output_size=14, sampling_ratio=2),
            mask_head=MaskRCNNHeads(CHANNELS, (CHANNELS, CHANNELS), dilation=1),
            mask_predictor=MaskRCNNPredictor(CHANNELS, CHANNELS, num_classes=2),
        )
        self.detector.transform = AsIs(
            min_size=1, max_size=1, image_mean=[0.0] * 3, image_std=[1.0] * 3, size_divisible=8
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) thickness -> (N, 1, H, W) logits; any H and W. In training (N, 3, 2 H, 2 W) images."""
        zoomed = F.interpolate(images, scale_factor=ZOOM, mode="bilinear", align_corners=False)
        zoomed = zoomed.expand(-1, 3, -1, -1)
        if self.training:
            return zoomed
        probabilities = torch.stack(
            [
                torch.minimum(one["masks"], one["scores"][:, None, None, None]).amax(0)
                if len(one["masks"])
                else zoomed.new_zeros(1, *zoomed.shape[-2:])
                for one in self.detector(list(zoomed))
            ]
        )
        return F.avg_pool2d(probabilities.float(), ZOOM).logit(eps=1e-6)

    def training_loss(self, outputs: Tensor, masks: Tensor) -> Tensor:
        """The sum of the detector's losses: objectness, boxes, classes and instance masks; of logits BCE.

        outputs : what `forward` gives. masks : (N, 1, H, W) of 0 and 1.
        """
        if not self.training:
            return bce(outputs, masks)
        targets = [self._instances(mask) for mask in masks[:, 0].bool().cpu().numpy()]
        targets = [{name: value.to(outputs.device) for name, value in one.items()} for one in targets]
        return torch.stack(list(self.detector(list(outputs), targets).values())).sum()

    @staticmethod
    def _instances(mask: np.ndarray) -> dict[str, Tensor]:
        """(H, W) bool -> boxes (n, 4), labels (n,) and masks (n, H, W) of its n grooves, zoomed."""
        labels = torch.from_numpy(label_grooves(mask))
        grooves = labels == torch.arange(1, int(labels.max()) + 1)[:, None, None]
        zoomed = grooves.repeat_interleave(ZOOM, 1).repeat_interleave(ZOOM, 2)
        boxes = masks_to_boxes(zoomed)
        boxes[:, 2:] += 1  # to the far side of the last row and column
        return {"boxes": boxes, "labels": torch.ones(len(grooves), dtype=int), "masks": zoomed.byte()}
