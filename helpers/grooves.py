"""Connected grooves of a mask, where the last column of a pipe meets the first."""

import numpy as np
from skimage.measure import label


def label_grooves(mask: np.ndarray) -> np.ndarray:
    """Number the connected grooves of a mask, diagonal neighbours included, around the azimuth's wrap.

    Parameters
    ----------
    mask : (H, W) of 0 and 1, a patch or a well that goes once around the pipe.

    Returns
    -------
    (H, W) int: 0 where there is no groove, else the groove's number, 1 ... n without gaps.

    Raises
    ------
    ValueError : the mask has not two dimensions.

    >>> label_grooves(np.array([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]))
    array([[1, 0, 0, 1],
           [0, 0, 0, 0],
           [0, 2, 0, 0]])
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected a mask of rows and columns, found shape {mask.shape}.")
    # One more column on the right, the first one again, joins what touches across the wrap.
    labels = label(np.pad(mask, ((0, 0), (0, 1)), mode="wrap"), connectivity=2)
    first, again = labels[:, 0], labels[:, -1]
    parents = np.arange(labels.max() + 1)
    for low, high in {tuple(sorted(pair)) for pair in zip(first, again, strict=True) if all(pair)}:
        parents[parents == parents[high]] = parents[low]
    _, numbers = np.unique(parents, return_inverse=True)  # background 0 stays the smallest
    return numbers[labels[:, :-1]]
