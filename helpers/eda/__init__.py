"""Notebook 01's studies of data and labels.

`tables` counts and describes patches and wells, `outliers` compares detectors of odd patches, `refinement`
and `enhancement` change masks and images, `split_choice` ranks every split by wells.
"""
