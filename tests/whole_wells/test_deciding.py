"""How the study of whole wells' masks chooses."""

from itertools import product

import pandas as pd
from deciding import nested


def test_a_draw_is_judged_by_what_the_others_choose_beside_the_plain_threshold():
    best = {0: 0.3, 1: 0.3, 2: 0.2}  # the lower threshold that is best in each draw
    rows = [
        {"draw": draw, "network": network, "scales": scales, "likely": likely, "sure": sure}
        | {"dice": 0.9 if likely == best[draw] else 0.6, "mean_iou": 0.8 if likely == best[draw] else 0.5}
        for draw, network in product(best, ("shipped", "trained further"))
        for scales, likely, sure in ((1.0, 0.5, 0.5), ("0.5 1.0", 0.3, 0.9), ("0.5 1.0", 0.2, 0.9))
    ]
    rows[-1]["mean_iou"] = 0.9  # of one network: the mean of both counts
    table = nested(pd.DataFrame(rows))
    assert list(table.loc[(2, "shipped"), ["scales", "likely", "sure"]]) == ["0.5 1.0", 0.3, 0.9]
    assert table.loc[(2, "shipped"), "mean_iou"] == 0.5 and table.loc[(0, "shipped"), "likely"] == 0.2
    assert (table["plain dice"] == 0.6).all() and len(table) == 6
