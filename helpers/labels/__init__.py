"""What goes wrong, with models (notebook 09: `errors`) and with labels (10: `quality`, `defects`)."""
