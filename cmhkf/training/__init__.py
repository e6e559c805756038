"""Fitting a model: configuration, batches, objectives, selection, model card."""
