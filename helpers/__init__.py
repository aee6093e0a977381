"""Segmentation of corrosion grooves in ultrasonic images of well casing."""
